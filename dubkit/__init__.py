"""dubkit: subtitle, translate and dub a video."""
