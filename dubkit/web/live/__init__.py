"""Live captions: sound that comes while it is spoken, and its text a moment later.

settings     what a client may ask for, by the names of OpenAI's realtime API
streams      a stream: a socket on one side, a process with the engine on the other
worker       ``python -m dubkit.web.live.worker``: that process
sound        sound in any of the formats of that API, kept on the disk until it is needed
routes       the page's own socket, and the tickets that open it

Where turns begin and end, and which words are sure, is in :mod:`dubkit.speech.turns`. A stream is
no job: it does not wait, and nothing of it is kept.
"""
