"""Fonts for burned-in subtitles: which glyphs are missing, and what to install for them."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from dubkit.system.scratch import scratch_folder

from .run_ffmpeg import run_ffmpeg


def missing_glyphs(
    text: str, fonts: Path | None = None, names: Sequence[str] = ("Arial",)
) -> set[str]:
    """The characters of ``text`` that no font on this machine has, according to libass, and none in
    the folder ``fonts`` that is among ``names``.

    They would be drawn as empty boxes, or not at all if there are no fonts. One frame is rendered
    with each character once, whatever installed font a style names: libass falls back on any that
    has the character.
    """
    # Marks and joiners are left out, since they are drawn with the letters before them; so are
    # the characters with a meaning in .ass files.
    import ffmpeg

    wanted = {c for c in text if unicodedata.category(c)[0] in "LNPS"} - set("{}\\")
    wanted |= {c for c in text if unicodedata.category(c) == "Co"}
    if not wanted:
        return set()
    line = "\\N".join(sorted(wanted))
    ass = (
        "[Script Info]\nScriptType: v4.00+\n\n[Events]\n"
        "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
    )
    for name in names:
        ass += f"Dialogue: 0,0:00:00.00,0:00:09.00,Default,,0,0,0,,{{\\fn{name}}}{line}\n"
    with scratch_folder() as folder:
        Path(folder, "glyphs.ass").write_text(ass, "utf-8")
        picture = ffmpeg.input("color=s=64x64", format="lavfi").filter(
            "ass", "glyphs.ass", **({"fontsdir": str(fonts)} if fonts else {})
        )
        argv = picture.output("-", format="null", vframes=1).get_args()
        # A report file, because there can be thousands of lines.
        report = Path(folder, "report.txt")
        run_ffmpeg(
            argv,
            doing="draw text",
            writes=report,
            cwd=Path(folder),
            env=os.environ | {"FFREPORT": "file=report.txt:level=24"},
            timeout=120,
        )
        log = report.read_text("utf-8", "replace")
    failed = r"failed to find any fallback with glyph 0x([0-9A-Fa-f]+) for font: \((.*), \d+, \d+\)"
    lacking: dict[str, set[str]] = {}
    for code, name in re.findall(failed, log):
        lacking.setdefault(name.lower(), set()).add(chr(int(code, 16)))
    missing = wanted
    for found in (lacking.get(name.lower(), set()) for name in names):
        missing = missing if "\0" in found else missing & found  # glyph 0: no font at all
    return missing


def no_font(characters: Iterable[str]) -> str:
    """A warning that names characters without a font, and a package that has one."""
    listed = sorted(characters)
    shown = " ".join(
        c if unicodedata.category(c) != "Co" else f"U+{ord(c):04X}" for c in listed[:12]
    )
    more = f" and {len(listed) - 12} more" if len(listed) > 12 else ""
    package = _font_for(listed[-1])
    return (
        f"No installed font has {shown}{more}: burned in, they would be empty boxes. "
        f"Install {package} and run again."
    )


def _font_for(character: str) -> str:
    """The font package to install for a character: the font's name and the Debian package's."""
    name = unicodedata.name(character, "")
    if re.match("CJK|HIRAGANA|KATAKANA|HANGUL|BOPOMOFO|IDEOGRAPHIC|FULLWIDTH|HALFWIDTH", name):
        return "Noto Sans CJK (fonts-noto-cjk)"
    if unicodedata.category(character) == "So":
        return "Noto Emoji or Noto Sans Symbols (fonts-noto-core, fonts-noto-color-emoji)"
    if name and unicodedata.category(character)[0] == "L":
        script = re.split(" (?:SMALL|CAPITAL|LETTER|SIGN|SYLLABLE|VOWEL)", name)[0].title()
        return f"Noto Sans for {script} (fonts-noto-core, fonts-noto-extra)"
    return "a font that has them (fonts-noto-core, fonts-noto-extra)"
