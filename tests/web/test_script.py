"""What the page's own script knows of cues and keys, without a browser."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from dubkit import Cue, Track
from dubkit.cues.check import check
from dubkit.cues.profiles import limits
from dubkit.cues.text import width
from dubkit.web import serve

ASSETS = Path(serve.__file__).parent / "assets"
TEXTS = ["", "a b", "<i>One</i> two\nthree", "字幕を読む、速く。", "ก้าวไปข้างหน้า",
         "e\u0301te\u0301", "No: 1 < 2 & <c.yellow>x</c>", "👍 ok",
         "A line of text that is too long for one line of it"]  # fmt: skip


def node() -> str:
    if found := shutil.which("node"):
        return found
    driver = pytest.importorskip("playwright._impl._driver")
    return str(driver.compute_driver_executable()[0])


def run(module: str, expression: str) -> object:
    """The value of an expression over a module's exports, ``m``."""
    script = f"""
        const m = await import({json.dumps((ASSETS / module).as_uri())});
        console.log(JSON.stringify({expression}));
    """
    # The script is read from standard input, since a package.json may say that it is no module.
    ran = subprocess.run(
        [node(), "--input-type=module", "-"], input=script, capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_texts_are_measured_as_the_check_measures_them():
    found = run("cues.js", f"{json.dumps(TEXTS)}.map((one) => m.width(one, false))")
    assert found == [width(text) for text in TEXTS]
    for language in ("en", "ja"):
        own = limits("netflix", language)
        about = {"line_width": own.line_width, "reading_speed": own.reading_speed,
                 "lines": own.lines, "full_width": own.full_width}  # fmt: skip
        grades = run(
            "cues.js",
            f"{json.dumps(TEXTS)}.map((one) => m.reading(one, 1, "
            f"{json.dumps(about)})).map((one) => [one.bad, one.lines.map((l) => l.bad)])",
        )
        for text, (speed, lines) in zip(TEXTS, grades, strict=True):
            rules = {one.rule: one.severity for one in check(Track(language, (Cue(0, 1, text),)))}
            assert {0: None, 1: "warning", 2: "error"}[speed] == rules.get("reading-speed"), text
            assert any(lines) == bool({"line-length", "lines"} & set(rules)), text


def test_marks_are_put_on_and_taken_off():
    call = "m.toggled"
    assert run("cues.js", f"{call}('one two', 4, 7, 'i')") == ["one <i>two</i>", 4, 14]
    assert run("cues.js", f"{call}('one <i>two</i>', 4, 14, 'i')") == ["one two", 4, 7]
    assert run("cues.js", f"{call}('one <i>two</i>', 7, 10, 'i')") == ["one two", 4, 7]
    assert run("cues.js", f"{call}('one\\ntwo', 2, 2, 'b')") == ["<b>one\ntwo</b>", 0, 14]


def test_only_its_own_marks_are_marks_in_a_shown_cue():
    assert run("cues.js", "m.shownAs('<i>a</i> <script> & <c.red>b</c>')") == (
        "<i>a</i> &lt;script> &amp; b"
    )


def test_words_are_found_with_case_and_whole():
    count = "['one','One once','ÓNE'].map((text) => (text.match(m.pattern({0})) ?? []).length)"
    assert run("cues.js", count.format("'one', {exact: false, whole: true}")) == [1, 1, 0]
    assert run("cues.js", count.format("'on', {exact: true, whole: false}")) == [1, 1, 0]


@pytest.mark.parametrize(
    "press, command",
    [
        ({"key": "m", "code": "KeyM", "ctrlKey": True}, "merge"),
        ({"key": "Enter", "code": "Enter", "ctrlKey": True, "shiftKey": True}, "splitHere"),
        ({"key": "“", "code": "BracketLeft", "altKey": True}, "setStart"),
        ({"key": " ", "code": "Space", "metaKey": True}, "playCue"),
        ({"key": "F8", "code": "F8", "shiftKey": True}, "previousProblem"),
        ({"key": "m", "code": "KeyM"}, None),
    ],
)
def test_keys(press, command):
    event = {"ctrlKey": False, "metaKey": False, "altKey": False, "shiftKey": False, **press}
    assert run("keys.js", f"m.commandOf({json.dumps(event)}) ?? null") == command


def test_no_key_has_two_meanings_and_every_command_has_a_name():
    keys = run("keys.js", "m.KEYS")
    assert isinstance(keys, list)
    pressed = [key for _, *all_ in keys for key in all_]
    assert len(pressed) == len(set(pressed))
    texts = json.loads((ASSETS.parent / "texts" / "en.json").read_text("utf-8"))
    assert [name for name, *_ in keys if f"key_{name}" not in texts] == []
    source = (ASSETS / "editor.js").read_text("utf-8")
    commands = source[source.index("const commands = {") :]
    missing = [name for name, *_ in keys if not re.search(rf"^    {name}[:(,]", commands, re.M)]
    assert missing == []
