"""Kokoro-82M: speech on a CPU, and the phones it is given, language by language."""
