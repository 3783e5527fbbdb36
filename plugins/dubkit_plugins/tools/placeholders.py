"""The placeholders of presets, ``{text}`` or ``{settings.repo}``, and what replaces them.

A value that replaces one is never scanned for placeholders again, so that nothing in a subtitle is
taken for more than text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dubkit import at_home

PLACEHOLDER = re.compile(r"\{([a-z_][a-z0-9_]*(?:\.\w+)?)\}")


def with_settings(values: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """``values`` together with the user's settings."""
    return {**values, **{f"settings.{name}": value for name, value in settings.items()}}


def fill(value: Any, values: Mapping[str, Any]) -> Any:
    """``value`` with its placeholders replaced, also inside lists and tables.

    A string that is nothing but one placeholder becomes the value itself, so that a number stays a
    number. A placeholder without a value is left as it is.
    """
    if isinstance(value, Mapping):
        return {key: fill(each, values) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [fill(each, values) for each in value]
    if not isinstance(value, str):
        return value
    if (whole := PLACEHOLDER.fullmatch(value)) and whole[1] in values:
        return values[whole[1]]
    return PLACEHOLDER.sub(lambda m: as_text(values.get(m[1], m[0])), value)


def as_text(value: Any) -> str:
    """A value as a command-line argument; "" for None."""
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else str(value)


def build_argv(
    argv: tuple[Any, ...], values: Mapping[str, Any], items: Sequence[Mapping[str, Any]] = ()
) -> list[str]:
    """A program's arguments, without the lists in which a placeholder is empty; ``items`` are the
    values of each item of a batch."""
    parts: list[Any] = []
    for part in argv:
        if isinstance(part, dict) and "each" in part:
            for item in items:
                parts += build_argv(tuple(part["each"]), item)
        elif isinstance(part, dict):
            if _has_value(fill(part["when"], values)):
                parts += fill(part["args"], values)
        elif isinstance(part, list):
            names = [name for text in part for name in PLACEHOLDER.findall(text)]
            if all(_has_value(values.get(name)) for name in names):
                parts += fill(part, values)
        else:
            parts.append(fill(part, values))
    lists = (part if isinstance(part, list) else [part] for part in parts)
    return [as_text(item) for items in lists for item in items]


def _has_value(value: Any) -> bool:
    return value not in (None, "", False, [])


def expand_home(value: Any) -> Any:
    """Replace ``~`` at the beginning of a string by the user's home folder."""
    if isinstance(value, str) and (value == "~" or value.startswith(("~/", "~\\"))):
        return str(at_home(value))
    return value


def strings(value: Any) -> Iterator[str]:
    """All strings in a nested value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from strings(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from strings(each)
