"""The kinds of attack that ``benchmarks/attack.py`` counts, a module each.

A kind has

- ``COUNT``: how many cases are tried if nothing else is asked for;
- ``prepare(lab)``: makes what its cases share, and returns how many there are at most, or None;
- ``attack(lab, case)``: tries one case and yields a :class:`~.lab.Fault` for whatever went wrong.

Both run in a worker process (:mod:`.worker`) that imports the dubkit under attack. Everything that
a case does follows from the seed and its number, so that each can be tried again by itself.

- ``lab``: running commands and finding out what was wrong with how they ended.
- ``jobs``: the runs that are interrupted, and starved of space.
- ``samples``, ``mutations``, ``films``: files that others made, and broken ones.
- ``kills``, ``disks``: runs that are ended, or that run out of space, at any moment.
- ``workspaces``: work folders that came with a film, and mean harm.
- ``names``, ``terminals``: hostile names of files; output that cannot be written, and no memory.
- ``connections``: whom a run talks to.
- ``decodes``: the encodings of subtitle files.
"""

KINDS = (
    "samples",
    "mutations",
    "films",
    "kills",
    "disks",
    "workspaces",
    "names",
    "terminals",
    "connections",
    "decodes",
)
