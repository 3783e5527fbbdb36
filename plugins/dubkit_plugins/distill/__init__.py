"""Distil a Whisper model: a student with the teacher's encoder and a few of its decoder's layers,
trained on the teacher's own transcripts of an archive (arXiv 2311.00430).

:mod:`.labels` has the teacher transcribe the archive and filters what it wrote, :mod:`.examples`
packs that for the network, :mod:`.student` makes and writes the student, :mod:`.training` trains
it, :mod:`.evaluation` and :mod:`.report` show what came out, :mod:`.distill` is the whole way.
"""
