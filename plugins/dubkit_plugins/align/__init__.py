"""Aligners: when each word of a known text is spoken. Whisper's is :mod:`.whisper.attention`.

pocketsphinx    by the sounds of English, offline
"""
