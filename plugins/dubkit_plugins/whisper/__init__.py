"""Whisper: the plugins, and what they share, so that an engine only has to run the network.

faster_whisper, distil_whisper    the transcribers: their settings and their models
to_english                        the translator ``whisper``: foreign speech to English text
transcribe                        a plugin's settings to a transcript: language, model, engine
recognize                         windows to an engine, decoded tokens to words on the timeline
languages, multilingual           which language is spoken where, and each part decoded in its own
attention                         the aligner: when each word of a known text is spoken
boundaries                        word times that keep to the sound
word_times                        the same by processes, while a GPU decodes
guards                            rejects loops, guesses and hallucinations
windows, speech_activity          where somebody speaks (Silero), and cutting there
models                            finds the weights: folder, cache, package or hub
engine                            the interface between the shared front end and a network
ct2_engine, ct2_device            that interface on CTranslate2
torch_engine, torch_model,        that interface on torch: the engine, reading a checkpoint, the
torch_network, torch_beam,        network, beam search, and word times from cross-attention
alignment
"""
