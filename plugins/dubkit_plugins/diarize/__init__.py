"""Engines that find out who speaks when.

voiceprint    by clustering voice embeddings, without a model to download
pyannote      by pyannote.audio's pipelines
nemo          by NeMo's Sortformer
turns         what the latter two have in common
"""
