"""A text that somebody speaks, and when: ``--script``.

- ``read``: a script in its parts: what is spoken, by whom, and what is not (labels, directions).
- ``labels``: the styles in which scripts say who speaks.
- ``documents``, ``fountain``: the formats of scripts, as text.
- ``match``: which words of a script are which of the words that were recognized.
- ``timing``: from that, times for the words of the script, and what is missing on either side.
"""
