"""A track in one language to the same track in another, and the checks of each line.

- ``translation``: the whole of it: sentences to requests, lanes, retries, and the whole again.
- ``assemble``: translated sentences back to cues.
- ``journal``: the file of finished lines, so that none is requested twice.
- ``replies``: an engine's reply in the right shape.
- ``chain``: two engines in a row as one.
- ``checks``: what is wrong with a reply; it uses those below.
- ``wrong_language``: translations that are not in the target language.
- ``misplaced``: translations under the id of another line.
- ``numerals``: numbers that a translation lost; ``number_words`` reads those in words.
- ``glossary``: terms and the translations required for them.

The engines that translate are plugins (:class:`dubkit.hooks.Translator`); how a text is divided
into sentences is :mod:`dubkit.cues.sentences`.
"""
