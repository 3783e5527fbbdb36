"""``dubkit ui``: the page, its API and the jobs behind it."""
