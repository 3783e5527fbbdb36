"""Lip-sync: mouths redrawn to the dub, one span of one face at a time.

- :mod:`.redraw`: the whole of it: find spans, have each rendered, compose and report.
- :mod:`.frames`: decode the film's frames at their times, and find its cuts.
- :mod:`.faces`: detect faces in a picture.
- :mod:`.tracks`: follow faces through a shot, and choose the one that speaks.
- :mod:`.spans`: which spans to redraw, and what part of the picture.
- :mod:`.crops`: crops of the people in a film, to train an engine on, and where they are in it.
- :mod:`.avatar`: where a picture that an engine draws by itself is shown.
- :mod:`.encoding`: the format in which the picture is re-encoded.
- :mod:`.face_clips`: write what an engine is given, and check what it returns.
- :mod:`.compose`: blend rendered mouths into the film.

The engine itself is a plugin; :mod:`dubkit.pipeline.redraw` chooses it.
"""
