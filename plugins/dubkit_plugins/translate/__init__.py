"""Translators that run on this machine."""
