"""Engines: everything that a plugin does for dubkit.

- ``registry`` is the only door to a plugin: it finds, imports, configures and guards it.
- ``room`` keeps the engines that are in use: each is built once and closed when its stage is done.
- ``choose`` says which engine ``auto`` stands for.
- ``patience`` says when one that fails is not worth calling again.

Nothing here knows what an engine is used for, nor any engine by its name.
"""

from .patience import Patience
from .registry import (
    Choice,
    Plugin,
    engine_class,
    find,
    group_of,
    guarded,
    identity,
    load,
    own_name,
    plugins,
)
from .room import EngineRoom

__all__ = [
    "Choice",
    "EngineRoom",
    "Patience",
    "Plugin",
    "engine_class",
    "find",
    "group_of",
    "guarded",
    "identity",
    "load",
    "own_name",
    "plugins",
]
