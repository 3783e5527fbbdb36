"""Speech for a dub: lines spoken, fitted into their time, mixed with the original's audio.

- :mod:`.lines`: what is spoken in one go, from the cues of a track.
- :mod:`.voices`: which voice speaks for which speaker.
- :mod:`.speak`: one line to a clip, by an engine whose result is checked.
- :mod:`.convert`: clips in another voice, by an engine whose result is checked.
- :mod:`.verify`: whether a clip is the speech that it should be, beside the others of its track.
- :mod:`.measurement`: what is known of a clip alone, for that.
- :mod:`.comparison`: how what was read in a clip differs from its text.
- :mod:`.quality`: how good speech sounds, as a network predicts it.
- :mod:`.shorten`: ask a translator for a shorter text.
- :mod:`.phrases`: which pause of a clip is which of the original.
- :mod:`.fit`: when each line begins, and how much faster it is spoken.
- :mod:`.schedule`: all of these for a whole track.
- :mod:`.clip`: measure and prepare an audio file with speech in it.
- :mod:`.mix`: the dub's audio track.
- :mod:`.background`: what plays under its lines.
- :mod:`.room_tone`: the noise of a room, where a separator took it away with the words.
- :mod:`.report`: the report of a dub, its warnings and its table.

:mod:`dubkit.pipeline` runs these; nothing here knows of options or outputs.
"""
