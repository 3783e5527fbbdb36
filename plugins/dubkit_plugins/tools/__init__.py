"""Other programs and servers as engines: the command and HTTP adapters and their presets."""
