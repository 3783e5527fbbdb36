"""Options: every check across fields, the same from Python as from the command, and one field from
which every front end makes the rest."""

import dataclasses
import traceback
import typing
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest
from command import AUSTEN, assert_refused, called

import dubkit
from dubkit import Options, UsageError
from dubkit.cli import parser
from dubkit.options import Keywords, Spec, from_keywords, list_options, option
from dubkit.web import arguments, fields
from dubkit.web.store import Store, new_token


def test_strings_become_what_they_mean():
    options = from_keywords(
        {
            "subs": True,
            "formats": "SRT, vtt,",
            "hotwords": "Dashwood , Norland",
            "output_dir": "out",
            "audio_track": 2,
            "settings": {"faster-whisper": {"beam_size": 5, "compute_type": "int8"}},
        }
    )
    assert options.formats == ("srt", "vtt") and options.hotwords == ("Dashwood", "Norland")
    assert options.output_dir == Path("out") and options.audio_track == "2"
    assert options.engine_settings("faster-whisper") == {"beam_size": "5", "compute_type": "int8"}


def test_true_stands_for_the_value_of_a_bare_flag():
    options = from_keywords({"to": "pt", "dub": True, "separate": True, "bilingual": True})
    assert (options.separate, options.bilingual) == ("auto", "translation-first")
    options = from_keywords({"to": "pt", "dub": True, "separate": False, "language": None})
    assert (options.separate, options.language) == ("", None)


def test_shortcuts_are_settings_and_settings_win():
    options = from_keywords(
        {"subs": True, "model": "base", "device": "cpu", "settings": {"e": {"model": "tiny"}}}
    )
    assert options.engine_settings("e") == {"model": "tiny", "device": "cpu"}
    assert options.engine_settings("other") == {"model": "base", "device": "cpu"}


@pytest.mark.parametrize("tag", ["en", "pt-BR", "zh-Hant", "yue", "sr-Latn-RS", "es-419"])
def test_language_tags(tag):
    assert Options(subs=True, language=tag).language == tag


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({}, "nothing to do"),
        ({"subs": True, "formats": "mp3"}, "no subtitle format 'mp3'"),
        ({"subs": True, "formats": ()}, "no subtitle format is named"),
        ({"burn": True, "video": False}, "--burn makes a video"),
        ({"subs": True, "crf": 20}, "--crf is for --burn"),
        ({"burn": True, "crf": 52}, "not 52"),
        ({"burn": True, "crf": -1}, "not -1"),
        ({"burn": True, "crf": "20"}, "crf cannot be '20'"),
        ({"subs": "yes"}, "subs cannot be 'yes'"),
        ({"to": {"es": 1}}, "to cannot be"),
        ({"to": [1]}, "to cannot be"),
        ({"to": "es", "tone": True}, "tone cannot be True"),
        ({"to": "es", "bilingual": "both"}, "--bilingual is translation-first or original-first"),
        ({"subs": True, "settings": {"kokoro": "fast"}}, "settings cannot be"),
        ({"subs": True, "voice": "x"}, "--voice is for dubbing"),
        ({"to": "es", "dub": True, "convert_to": "x"}, "--convert-to is for --convert"),
        ({"subs": True, "tone": "x"}, "--tone is for translating"),
        ({"subs": True, "profile": "hulu"}, "hulu"),
        ({"subs": True, "style": "size=0"}, "size"),
        ({"subs": True, "subtitles": True}, "no option 'subtitles'"),
        *(({"subs": True, "language": tag}, "not a language tag")
          for tag in ("", "e", "no such", "../en", "en-", "en\nfr")),
    ],
)  # fmt: skip
def test_what_cannot_be(wrong, words):
    with pytest.raises(UsageError, match=words) as raised:
        from_keywords(wrong)
    assert raised.value.hint


@pytest.mark.parametrize(
    ("given", "tag"),
    [("EN", "en"), ("pt-br", "pt-BR"), ("zh-HANT", "zh-Hant"), ("es-419", "es-419")],
)
def test_languages_are_written_as_usual(given, tag):
    assert from_keywords({"subs": True, "language": given}).language == tag


# ---------------------------------------------------------------- old and near names


@pytest.mark.parametrize(
    ("typed", "right", "also"),
    [
        (["--speaker", "kokoro"], "mean --tts kokoro?", "--speakers N|auto: number of people"),
        (["--speaker=kokoro"], "mean --tts kokoro?", "--speakers"),
        (["--speaker", "2"], "mean --speakers 2?", "--tts NAME: engine that speaks"),
        (["--speaker=2"], "mean --speakers 2?", "--tts"),
        (["--speaker"], "mean --tts NAME?", "--speakers"),
        (["--speaker", "--subs"], "mean --tts NAME?", "--speakers"),
        (["--speekers", "2"], "mean --speakers?", "--speekers"),
        (["--formats", "srt"], "mean --format?", "--formats"),
    ],
)
def test_an_old_or_near_flag_names_the_right_one(typed, right, also):
    assert_refused(called("x.mp4", "--to", "es", "--dub", *typed), 2, right, also)


@pytest.mark.parametrize(
    ("name", "value", "right", "also"),
    [
        ("speaker", "kokoro", "mean tts='kokoro'?", "speakers: number of people"),
        ("speaker", 2, "mean speakers=2?", "tts: engine that speaks"),
        ("format", "srt", "mean formats='srt'?", ""),
        ("nothing_like_it", 1, "known: subs, to, dub", ""),
        ("x" * 100_000, "y" * 100_000, "known: subs", ""),
    ],
    ids=lambda one: str(one)[:20],
)
def test_an_old_or_near_keyword_names_the_right_one(name, value, right, also, tmp_path):
    video = Store(tmp_path).session(new_token()).take(AUSTEN, "talk.mp4")
    for refused in (
        lambda: dubkit.run("x.mp4", subs=True, **{name: value}),
        lambda: dubkit.transcribe("x.mp4", **{name: value}),
        lambda: arguments.arguments({"subs": True, name: value}, video, dict),
    ):
        with pytest.raises(UsageError) as raised:
            refused()
        assert right in raised.value.hint and also in raised.value.hint
        assert len(raised.value.message) < 100


def test_the_form_of_an_old_job_keeps_a_renamed_option():
    assert fields.form_values({"to": ["pt"], "speaker": "kokoro"})["tts"] == "kokoro"


# ---------------------------------------------------------------- the keywords' types


def kinds(hint: object) -> set[object]:
    """The types that a hint allows, texts for lists and paths included."""
    members = typing.get_args(hint) if typing.get_origin(hint) is not dict else ()
    origin = typing.get_origin(hint)
    if origin in (typing.Union, type(int | str)):
        return set().union(*map(kinds, members))
    return {origin or hint}


def test_the_keywords_are_the_fields():
    """``Keywords`` alone repeats what the fields say, for editors and type checkers."""
    keywords, types = typing.get_type_hints(Keywords), typing.get_type_hints(Options)
    assert list(keywords) == [one.name for one in list_options(Options)]
    samples = {str: "x", int: 2, bool: True, Path: Path("x"), Mapping: {"e": {"f": 1}}}
    for one in list_options(Options):
        allowed, stored = kinds(keywords[one.name]), kinds(types[one.name])
        assert (type(None) in allowed) == (type(None) in stored), one.name
        if one.type is tuple:
            assert allowed - {type(None)} == {str, typing.get_origin(typing.Iterable[str])}
        else:
            assert one.type in allowed, one.name
        for kind in allowed & set(samples):  # what a type checker lets pass is taken
            taken = dubkit.options._convert_value(one, samples[kind])
            assert isinstance(taken, one.type), one.name


# ---------------------------------------------------------------- one option, one place


NEW = {
    "echo": (int, option(0, Spec(
        "dubbing", "milliseconds of echo", "echo of the dub, in `ms`",
        needs="dub", bounds=(0, 900), former_names=("reverb",), page="dubbing",
    ))),
    "mood": (str, option("calm", Spec(
        "translation", "calm or merry", needs="to", choices=("calm", "merry"), page="translation",
    ))),
    "titles": (bool, option(True, Spec("what to make", "make no titles", page="more"))),
    "places": (tuple[str, ...], option((), Spec(
        "speech", "places to expect", repeat=True, page="speech",
    ))),
    "muffler": (str, option("", Spec(
        "dubbing", "engine that muffles", "{engines}", engine="separators", needs="dub",
        bare="auto", page="dubbing",
    ))),
    "secret": (str, option("", Spec("results", "only for the command"))),
}  # fmt: skip
More = dataclasses.make_dataclass(
    "More",
    [(name, kind, default) for name, (kind, default) in NEW.items()],
    bases=(Options,), frozen=True, kw_only=True,
)  # fmt: skip
"""Options with some that nothing else knows of."""


def parsed(*argv: str) -> Options:
    return parser.options_of(parser.parse(argv, More), More)


def test_a_new_option_is_a_flag():
    options = parsed(
        "x.mp4", "--to", "pt", "--dub", "--echo", "300", "--mood=merry", "--no-titles",
        "--places", "Rome", "--places", "Bath", "--muffler", "--secret", "s",
    )  # fmt: skip
    assert (options.echo, options.mood, options.titles) == (300, "merry", False)
    assert (options.places, options.muffler) == (("Rome", "Bath"), "auto")
    assert ("separators", "kokoro") not in options.named_engines
    named = parsed("x.mp4", "--to", "pt", "--dub", "--muffler=own")
    assert ("separators", "own") in named.named_engines
    untouched = parsed("x.mp4", "--subs")
    assert (untouched.echo, untouched.mood, untouched.titles) == (0, "calm", True)


def test_a_new_option_is_in_the_help_and_in_the_reference():
    text = parser.build_parser(More).format_help()
    translation, dubbing = text.partition("\ntranslation:")[2].split("\n\n")[:2]
    assert "--mood TEXT" in translation and "calm or merry" in translation
    assert "--echo N" in dubbing and "milliseconds of echo" in dubbing
    assert "--no-titles" in text and "--muffler [NAME]" in text
    tables = parser.options_tables(More)
    assert "| `--echo N` | `echo` | echo of the dub, in `ms` |\n" in tables
    assert "| `--mood TEXT` | `mood` | calm or merry |\n" in tables
    assert "| `--no-titles` | `titles=False` | make no titles |\n" in tables
    assert "| `--muffler [NAME]` | `muffler` | `demucs`, `spleeter` |\n" in tables
    assert "echo" not in parser.options_tables()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"subs": True, "echo": 3}, "--echo is for dubbing"),
        ({"to": "pt", "dub": True, "echo": 901}, "--echo is from 0 to 900, not 901"),
        ({"to": "pt", "dub": True, "echo": "much"}, "echo cannot be 'much'"),
        ({"subs": True, "mood": "merry"}, "--mood is for translating"),
        ({"to": "pt", "mood": "sad"}, "--mood is calm or merry, not 'sad'"),
        ({"to": "pt", "ekho": 3}, "no option 'ekho'"),
    ],
)
def test_a_new_option_is_checked(wrong, words):
    with pytest.raises(UsageError, match=words):
        from_keywords(wrong, More)


def test_a_new_options_old_name_is_known():
    with pytest.raises(UsageError) as raised:
        parsed("x.mp4", "--to", "pt", "--dub", "--reverb", "5")
    assert raised.value.hint.startswith("did you mean --echo 5?")


def test_a_new_option_is_a_field_of_the_page(tmp_path):
    values = fields.defaults(More)
    assert [values[name] for name in ("echo", "mood", "titles", "places", "muffler")] == [
        0, "calm", True, "", ""
    ]  # fmt: skip
    assert "secret" not in values
    assert "echo" in fields.groups(More)["dubbing"] and "mood" in fields.groups(More)["translation"]
    controls = {name: fields.control(one) for name, one in fields.page_options(More).items()}
    assert [controls[name] for name in ("echo", "mood", "titles", "places", "muffler")] == [
        "number", "pick", "tick", "line", "engine"
    ]  # fmt: skip
    hidden = fields.irrelevant(values, options=More)
    assert {"echo", "mood", "muffler"} <= hidden and "titles" not in hidden
    dubbing = {**values, "to": ["pt"], "dub": True}
    assert not {"echo", "mood", "muffler"} & fields.irrelevant(dubbing, options=More)
    shown = fields.form_values({"reverb": 5, "mood": "merry"}, More)
    assert (shown["echo"], shown["mood"]) == (5, "merry")
    assert fields.group_of("--echo is from 0 to 900, not 901", options=More) == "dubbing"


def test_a_new_option_has_a_component_in_its_group():
    gradio = pytest.importorskip("gradio")
    from dubkit.web.form import form

    server = SimpleNamespace(local_plugins=False, engines=lambda timeout: {})
    with gradio.Blocks() as page:
        parts = form(server, gradio.I18n(), More)
    assert list(parts.fields) == list(fields.defaults(More))
    echo = parts.fields["echo"]
    assert (type(echo), echo.label, echo.maximum) == (gradio.Number, "milliseconds of echo", 900)
    assert [value for _, value in parts.fields["mood"].choices] == ["calm", "merry"]
    assert "spleeter" in [value for _, value in parts.fields["muffler"].choices]
    groups = {name: list(_inside(group)) for name, group in parts.groups.items()}
    assert echo in groups["dubbing"] and parts.fields["mood"] in groups["translation"]
    assert page.blocks[echo._id] is echo


def _inside(block):
    for child in getattr(block, "children", ()):
        yield child
        yield from _inside(child)


def test_a_new_option_is_a_field_of_the_api(tmp_path):
    video = Store(tmp_path).session(new_token()).take(AUSTEN, "talk.mp4")
    wishes = {"to": "pt", "dub": True, "echo": 300, "titles": False, "places": ["Rome", "Bath"]}
    argv = arguments.arguments(wishes, video, dict, options=More)
    assert parsed(*argv) == from_keywords(wishes, More)
    with pytest.raises(UsageError, match="the page has no option 'secret'"):
        arguments.arguments({"subs": True, "secret": "s"}, video, dict, options=More)


def test_a_hint_is_shown_in_a_traceback():
    with pytest.raises(UsageError) as refusal:
        from_keywords({"sbus": True})
    assert "did you mean subs" in "".join(traceback.format_exception(refusal.value))


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        (["--output_format", "vtt"], "did you mean --format vtt?"),
        (["--initial_prompt=x"], "did you mean --prompt x?"),
        (["--sub-langs", "es"], "did you mean --to es?"),
        (["--max_line_count", "2"], "did you mean --max-lines 2?"),
        (["--diarize"], "did you mean --speakers N|auto?"),
        (["--no-overwrites"], "did you mean --skip-existing?"),
        (["--task", "translate"], "--to en translates"),
        (["--word_timestamps", "True"], "--format json"),
    ],
)
def test_flags_of_other_tools_are_answered_with_ours(typed, hint):
    with pytest.raises(UsageError) as found:
        parser.parse(["talk.mp4", "--subs", *typed])
    assert hint in (found.value.hint or "")


def test_no_name_of_another_tool_is_one_of_ours():
    options = list_options(Options)
    others = [name for one in options for name in (*one.former_names, *one.other_names)]
    ours = {one.name for one in options} | {
        one.flag.strip("-").replace("-", "_") for one in options
    }
    assert len(others) == len(set(others)) and not ours & set(others)
