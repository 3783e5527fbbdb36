"""The ``dubkit`` command: arguments in, progress and paths out."""
