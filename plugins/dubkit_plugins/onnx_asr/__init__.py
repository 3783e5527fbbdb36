"""``onnx-asr``: Parakeet, Canary, FastConformer, GigaAM and others, on ONNX Runtime.

transcriber    the plugin: its settings, the language, the model
catalog        which models there are, what they know, and finding their files
engine         one of them behind the front end that it shares with Whisper (``whisper/``)
words          its tokens as words with times
"""
