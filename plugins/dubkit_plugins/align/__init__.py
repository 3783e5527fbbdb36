"""Aligners: when each word of a known text is spoken. Whisper's is :mod:`.whisper.attention`.

pocketsphinx    by the sounds of English, offline
ctc             by the characters that wav2vec2 and its kind hear, a model for each language
ctc_path        the likeliest path of known characters through what such a network hears
qwen3           by Qwen3-ForcedAligner, which answers with times, in eleven languages
hub             the weights of ctc and qwen3: in a folder, in the hub's cache, or from the hub
passages        what all three have in common: one passage after the other
"""
