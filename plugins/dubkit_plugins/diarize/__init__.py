"""Engines that find out who speaks when.

voiceprint    by clustering voice embeddings, without a model to download
"""
