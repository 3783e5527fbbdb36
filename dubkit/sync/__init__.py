"""Right times for a subtitle file that was made for another version of a film.

- ``align``: cues against speech, or against other cues: offset, frame rate, drift and cuts. It uses
  ``score``, how well cues fit at every shift; ``path``, which shift each has; and ``lines``.
- ``fit``: what is known of cues, and what was found, as data.
- ``words``: the words of cues among those of a transcript, or of other cues.
- ``file``: a subtitle file as numbers, and with new times.
- ``describe``: what was found, in words.

What a film says is read in :mod:`dubkit.pipeline.sync`.
"""
