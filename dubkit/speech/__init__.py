"""Speech in a recording: its words, its speakers, and what their voices are like.

- ``recognition``: calls a transcriber and validates what it returns.
- ``diarization``: who speaks when: reads files of turns, and gives words and cues their speakers.
- ``voiceprint``: a voice as numbers, and the most similar of an engine's voices.
- ``sample_texts``: what these speak to be compared.
- ``passages``: where a voice is recorded best.
- ``turns``: where speech that still goes on begins and ends, and which of its words are sure.
- ``pauses``: where speech pauses, and where there is sound without words.

Engines that recognize or diarize are plugins. ``data/`` holds the weights of the voice encoder.
"""
