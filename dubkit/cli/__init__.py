"""The ``dubkit`` command: arguments in, progress and the results' paths out.

- :mod:`.main`: the command itself: runs the pipeline on each input, and returns the exit status.
- :mod:`.parser`: the command line's grammar, and the options that arguments stand for.
- :mod:`.inputs`: files, folders and patterns to a list of media files.
- :mod:`.batch`: many inputs: their order, shards, several at once.
- :mod:`.cluster`: the same on the machines of a Ray cluster; :mod:`.upload`, where these do not see
  the files.
- :mod:`.watch`: folders that grow.
- :mod:`.summary`: what became of them, in a table and in a file.
- :mod:`.console`: what a person sees of a run: the bar, warnings, errors.
- :mod:`.log_file`: the same in a file.
- :mod:`.events`: the same for programs, as JSON lines.
- :mod:`.config`: what stays set: ``dubkit.toml`` of the user and of a folder.
- :mod:`.show_config`: ``dubkit config``.
- :mod:`.clean`: ``dubkit clean``.
- :mod:`.completion`: ``dubkit completion``.
- :mod:`.check`: ``dubkit check``.
- :mod:`.doctor`: ``dubkit doctor`` and ``dubkit plugins``.

``dubkit ui`` is dispatched in :mod:`dubkit.__main__`, so nothing here knows of the page.
"""
