"""Two languages in one cue."""

from __future__ import annotations

from dataclasses import replace

from dubkit.types import Track


def combine(original: Track, translation: Track, order: str) -> Track:
    """The translation's cues with the original's text in each, in the given order (see
    :data:`dubkit.options.BILINGUAL`).

    Both tracks must have the same cues. Untranslated text is not shown twice.
    """
    cues = []
    for first, second in zip(original.cues, translation.cues, strict=True):
        texts = (
            [second.text, first.text] if order == "translation-first" else [first.text, second.text]
        )
        flat = [" ".join(text.split()) for text in texts]
        text = texts[0] if flat[0] == flat[1] else "\n".join(texts)
        cues.append(replace(second, text=text))
    return replace(translation, cues=tuple(cues))
