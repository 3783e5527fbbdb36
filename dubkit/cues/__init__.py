"""Readable cues: words grouped into cues, cues broken into lines, both checked against a profile.

- ``text``: a cue's text in itself: its width, its marks, its lines joined.
- ``profiles``: what readable means, as numbers for each house style and language.
- ``phrases``: where a phrase may be broken, and what each break costs.
- ``lines``: a text broken into lines.
- ``spoken``: what of a cue's text is spoken, by whom; sounds, songs and labels.
- ``rolling``: captions that roll up, each phrase once.
- ``word_times``: times of words put in order.
- ``segment``: timed words grouped into cues.
- ``fit``: text without word times fitted into cues.
- ``media_end``: tracks that end with their film.
- ``sentences``: cues joined into sentences for translation, and translations divided among them.
- ``foreign``: which lines of a film in several languages its viewers need, and its dub speaks.
- ``check``: what a profile does not allow in finished cues.

Everything here is pure: no files, no media, no engines.
"""
