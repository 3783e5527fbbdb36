"""Engines that separate speech from everything else.

spleeter    Deezer's Spleeter on torch; its weights: spleeter_weights, spleeter_checkpoint
demucs      Demucs, with its own library; its networks: demucs_models
stems       what both share: reading, cutting, crossfading and writing the audio
"""
