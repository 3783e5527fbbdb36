"""Mouths redrawn to the dub, one span of one face at a time."""
