"""Readable cues: words cut into cues, cues broken into lines, both checked against a profile."""
