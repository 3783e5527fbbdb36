"""``kokoro``: speech on a CPU by Kokoro-82M.

Text passes through three steps, each with its module:

- ``normalize`` writes out numbers, dates, prices and abbreviations (``normalize_tables``: the rules
  of each language).
- ``phones`` turns words into phonemes, by ``english``, ``french``, ``italian``, ``japanese``,
  ``mandarin``, ``portuguese``, ``spanish`` or, as a separate GPL extra, ``espeak``.
- ``engine`` turns phonemes into sound; ``voices/`` has the voices.
"""
