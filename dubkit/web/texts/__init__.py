"""Every sentence of the page, in one place: a JSON file for each language, the same keys in all.

Python takes them through :func:`gradio`'s own I18n (see :mod:`dubkit.web.page`), the page's own
JavaScript from :func:`texts`. ``{name}`` in a text stands for a value.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).parent
TRANSLATIONS = ("en", "es", "pt", "zh")
"""Languages of the page; the first is for everybody else."""
LANGUAGES = tuple(
    """
    en es pt fr de it zh ja ko hi ar ru uk pl nl tr vi id th sv nb da fi cs sk hu ro bg el he fa ca
    gl eu hr sr sl lt lv et ms tl sw bn ta te ur
    """.split()
)
"""Languages that the page offers to translate to, the most usual first; any other tag may be
typed."""


@functools.cache
def texts(language: str) -> Mapping[str, str]:
    """The texts in one of :data:`TRANSLATIONS`, by key."""
    read: dict[str, str] = json.loads((FOLDER / f"{language}.json").read_text("utf-8"))
    return read


def best(wanted: str) -> str:
    """The language of the page for a tag as browsers send it, ``pt`` for ``pt-BR``."""
    primary = wanted.replace("_", "-").lower().partition("-")[0]
    return primary if primary in TRANSLATIONS else TRANSLATIONS[0]
