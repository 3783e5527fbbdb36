"""What the command says, as the page says it."""

import json
import re

import pytest

from dubkit import Cue, MissingDependency, Track
from dubkit.cues.check import check
from dubkit.errors import InputError
from dubkit.script.read import SCRIPT_SUFFIXES, read_script
from dubkit.web import texts, wording

SENTENCES = json.loads((texts.FOLDER / "sentences.json").read_text("utf-8"))


@pytest.mark.parametrize("one", SENTENCES, ids=lambda one: one["is"][:40])
def test_each_sentence_keeps_its_values_and_speaks_no_shell(one):
    assert list(one) == ["is", *texts.TRANSLATIONS]
    values = set(re.findall(r"\{\w+\}", one["is"]))
    for tag in texts.TRANSLATIONS:
        assert set(re.findall(r"\{\w+\}", one[tag])) <= values
        assert not wording.SHELL.search(one[tag])


def test_every_check_of_a_cue_is_said_in_the_pages_language():
    long = "word " * 60
    cues = (
        Cue(0.0, 0.1, "x"), Cue(0.5, 20.0, "slow"), Cue(20.01, 21.0, long), Cue(20.9, 22.0, ""),
        Cue(23.0, 23.0, "no time"), Cue(30.0, 31.0, "a\nb\nc\nd"), Cue(31.2, 33.0, "near"),
    )  # fmt: skip
    found = {
        one.rule: one.message
        for profile in ("netflix", "short")
        for one in check(Track("en", cues), profile, 24.0)
    }
    assert len(found) >= 8
    for rule, message in found.items():
        for tag in ("es", "pt", "zh"):
            shown = wording.sentence(f"pt: cue 3: {message}", tag)
            assert shown.startswith("pt: cue 3: ") and message not in shown, (rule, shown)
        assert wording.sentence(message, "") == wording.sentence(message, "en") == message


@pytest.mark.parametrize(
    ("message", "portuguese"),
    [
        ("nothing here translates German to Welsh", "Alemão, Galês"),
        ("Nothing here speaks German.", "Nada neste servidor fala este idioma: Alemão."),
        ("pt: the text is English already, so it is not translated to en", "pt: o texto já está"),
        ("the video is being worked on", "o vídeo já está em processamento"),
        ("--speakers is a number, not 'many'", "“Quantas pessoas falam” is a number"),
        ("nobody listed this {sentence}", "nobody listed this {sentence}"),
    ],
)
def test_a_sentence(message, portuguese):
    assert portuguese in wording.sentence(message, "pt-BR")


@pytest.mark.parametrize(
    ("hint", "shown"),
    [
        ("add it again", "adicione-o de novo"),
        ('pip install "dubkit[argos]"; or set OPENAI_API_KEY', "set OPENAI_API_KEY"),
        ("dubkit doctor says why", "Quem administra este servidor pode mudar isso."),
        ("the server's --max-session sets the limit", "Quem administra"),
        ("-o Fast.text=x", "Quem administra"),
        ("", ""),
    ],
)
def test_advice(hint, shown):
    assert shown in wording.advice(hint, "pt")
    assert not wording.SHELL.search(wording.advice(hint, "pt"))
    assert wording.advice(hint, "") == hint


def test_all_kinds_of_scripts_are_named_in_each_language(tmp_path):
    (tmp_path / "a.txt").write_bytes(bytes(9))
    with pytest.raises(InputError) as caught:
        read_script(tmp_path / "a.txt", "en")
    for shown in [
        caught.value.hint,
        *(wording.advice(caught.value.hint, tag) for tag in texts.TRANSLATIONS),
    ]:
        assert all(suffix[1:] in shown for suffix in SCRIPT_SUFFIXES), shown


def test_a_failure_of_the_command_in_another_language():
    failure = MissingDependency("nothing here speaks Welsh", "dubkit setup lists tools")
    shown = wording.error({"message": failure.message, "hint": failure.hint, "at": 1}, "es-MX")
    assert shown["message"].startswith("Nada en este servidor habla") and shown["at"] == 1
    assert "Galés" in shown["message"] and "dubkit setup" not in shown["hint"]


def test_the_language_of_a_request():
    assert wording.of_request({"accept-language": "pt-BR,pt;q=0.9,en;q=0.8"}) == "pt-BR"
    assert wording.of_request({}) == ""
