"""Engines: everything that a plugin does for dubkit.

``registry`` is the only door to a plugin: it finds, loads and configures. ``choose`` says which
engine ``auto`` stands for. Nothing here knows what an engine is used for.
"""

from .registry import (
    Plugin,
    find,
    group_of,
    guarded,
    identity,
    load,
    own_name,
    plugins,
)

__all__ = ["Plugin", "find", "group_of", "guarded", "identity", "load", "own_name", "plugins"]
