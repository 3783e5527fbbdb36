"""The rules of the Unicode CLDR that spell numbers out (unicode-rbnf, MIT)."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unicode_rbnf import RbnfEngine


@functools.cache
def number_rules(language: str) -> RbnfEngine:
    """Those of a language, which are read from a file once; raises ValueError if it has none."""
    from unicode_rbnf import RbnfEngine

    return RbnfEngine.for_language(language)
