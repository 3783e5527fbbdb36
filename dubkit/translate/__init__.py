"""A track in one language to the same track in another, and the checks of each line."""
