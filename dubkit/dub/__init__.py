"""Speech for a dub: lines spoken, fitted into their time, mixed with the original's sound."""
