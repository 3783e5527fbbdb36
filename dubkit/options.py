"""What dubkit can be asked to do: one frozen :class:`Options`, which every front end builds, and
every check across options.

An option is one field with its :class:`Spec`. The command's flag and help, the field of the page's
form and of the API, and the row on the site are made of it, by loops over :func:`list_options`. To
add one, add the field and its type in :class:`Keywords` here, the code that uses it, its words in
``web/texts/*.json``, and run ``python docs/make_reference.py``.
"""

from __future__ import annotations

import difflib
import functools
import math
import os
import re
import reprlib
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, TypedDict, TypeVar

from dubkit.cues.spoken import LONGEST_NAME
from dubkit.subtitles.encodings import check_encoding
from dubkit.subtitles.style import parse_style

from . import subtitles
from .cues import profiles
from .errors import UsageError
from .languages import is_tag, understand

BILINGUAL = ("translation-first", "original-first")
"""Orders of two languages in one cue."""
LIPSYNC_MODES = ("mouth", "avatar", "avatar-corner")
"""What is done with what a lip-syncer draws."""
EMBEDDED = re.compile(r"embedded(?::(.*))?", re.DOTALL)
"""``--subs-from`` for a text track of the video itself, by number or language."""
SITE = re.compile(r"site(?::(.+))?", re.DOTALL)
"""``--subs-from`` for the subtitles that a site has of a video that is named by its address."""

Group = Literal[
    "", "what to make", "results", "speech", "translation", "dubbing", "speakers", "style"
]
"""Headings of ``--help`` and the site, in their order; empty for what has no flag of its own."""
PageGroup = Literal[
    "", "main", "more", "limits", "files", "speech", "translation", "dubbing", "who", "look"
]
"""Groups of the page's form, in their order; empty for what is not there."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Spec:
    """What the front ends show and check of an option, besides its name, type and default."""

    group: Group
    help: str
    """One line of ``--help``."""
    about: str = ""
    """The site's words (Markdown) if they are not those of ``help``; ``{engines}`` stands for the
    names of the engines of this kind that come with dubkit."""
    _: KW_ONLY
    flag: str = ""
    """Empty for the usual one: ``--one-file`` for ``one_file``, and ``--no-video`` for ``video``,
    which is true by default."""
    short: str = ""
    metavar: str = ""
    """Empty for the usual one of its type."""
    repeat: bool = False
    """The flag takes one value and may be repeated; other lists are one value with commas."""
    bare: str = ""
    """What the flag means without a value; in Python, what True means."""
    engine: str = ""
    """The kind of engine that it names, of :data:`dubkit.hooks.KINDS`."""
    choices: tuple[str, ...] = ()
    """All values that it may have."""
    suggested: tuple[str, ...] = ()
    """Some values that it may have."""
    bounds: tuple[int, int] | None = None
    """Least and greatest number."""
    tag: bool = False
    """Its values are BCP-47 tags."""
    file: bool = False
    """It names a file; from the page, one that was added to the video."""
    normalize: Callable[[str], str] = str
    """Applied to each text that comes from a keyword or flag."""
    check: Callable[[Any], object] | None = None
    """Raises UsageError for a value, or an element of a list, that is invalid; None if ``choices``,
    ``bounds`` or ``tag`` say it all."""
    needs: str = ""
    """Name of the option without which this one has no effect, and is refused."""
    purpose: str = ""
    """What the options that need this one are for; empty for its flag."""
    example: str = ""
    """How to set it; empty for its flag."""
    former_names: tuple[str, ...] = ()
    """Names that it had before."""
    other_names: tuple[str, ...] = ()
    """What other tools (whisper, whisperX, yt-dlp, ffmpeg) call it."""
    page: PageGroup = ""
    control: Literal["", "line", "pick", "hidden"] = ""
    """Kind of form field; empty for the usual one of its type and values, ``hidden`` for one that
    the page's own script sets."""
    lines: int = 1
    """Height of a text field."""
    unset: str = "none"
    """Key of the page's text for an empty choice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option(Spec):
    """An option as :func:`list_options` finds it, with its flag and metavar filled in."""

    name: str
    """Of the field, the Python keyword and the API's field."""
    type: type
    """bool, int, float, str, tuple (of texts), Path or Mapping."""
    default: Any

    def title(self, value: object = None) -> str:
        """The flag as it is typed, with a value if one is given."""
        return f"{self.flag} {self.metavar if value is None else value}".rstrip()


def option(default: T, spec: Spec) -> T:
    """A field of :class:`Options` with its default."""
    return field(default=default, metadata={"spec": spec})


def list_options(options: type[Options]) -> tuple[Option, ...]:
    """The options of :class:`Options` or of a subclass, in their order."""
    return _list_options(typing.cast(Any, options))  # mypy takes the class for an unhashable value


@functools.cache
def _list_options(options: Any) -> tuple[Option, ...]:
    hints = typing.get_type_hints(options)
    found = []
    for one in fields(options):
        spec: Spec = one.metadata["spec"]
        default = one.default if one.default_factory is MISSING else one.default_factory()
        kind = _type(hints[one.name])
        known = {own.name: getattr(spec, own.name) for own in fields(Spec)}
        known["flag"] = spec.flag or f"--{'no-' * (default is True)}{one.name.replace('_', '-')}"
        known["metavar"] = spec.metavar or _metavar(spec, kind)
        found.append(Option(**known, name=one.name, type=kind, default=default))
    return tuple(found)


def _type(hint: Any) -> Any:
    """The type that a field holds when it is not None: ``tuple`` for ``tuple[str, ...] | None``."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        hint = next(one for one in typing.get_args(hint) if one is not type(None))
    return typing.get_origin(hint) or hint


def _metavar(spec: Spec, kind: type) -> str:
    if kind is bool:
        return ""
    if spec.engine or spec.repeat:
        return "NAME"
    if spec.file:
        return "FILE"
    return {int: "N", float: "N", tuple: "LIST"}.get(kind, "TEXT")


def _check_value(one: Option, value: Any) -> None:
    if one.check:
        one.check(value)
    elif one.tag:
        _check_tag(value)
    elif one.choices and value not in one.choices:
        raise UsageError(
            f"{one.flag} is {' or '.join(one.choices)}, not {value!r}",
            f"{one.flag}={one.choices[0]}",
        )
    elif one.bounds and not one.bounds[0] <= value <= one.bounds[1]:
        raise UsageError(
            f"{one.flag} is from {one.bounds[0]} to {one.bounds[1]}, not {value}", one.about
        )


def _check_format(name: str) -> None:
    if name not in subtitles.FORMATS:
        known = ", ".join(subtitles.FORMATS)
        raise UsageError(f"there is no subtitle format {name!r}", f"known: {known}")


def _check_speakers(speakers: str) -> None:
    number = speakers.isascii() and speakers.isdigit() and int(speakers) > 0
    if speakers != "auto" and not number:
        raise UsageError(
            f"--speakers is a number of people or auto, not {speakers!r}", "--speakers 2"
        )


def _check_tag(language: str) -> None:
    if not is_tag(language):
        raise UsageError(f"{language!r} is not a language tag", "use en, es, pt-BR, zh-Hant, ...")


def _check_tags(languages: str) -> None:
    for language in languages.split(","):
        _check_tag(language)


def parse_redo(text: str) -> list[int]:
    """The line numbers of ``12,15-18``. Raises UsageError for an invalid list."""
    numbers: list[int] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        first, dash, last = part.partition("-")
        if not (first.isdigit() and (last.isdigit() or not dash)) or len(part) > 12:
            raise UsageError(f"--redo takes line numbers, not {part!r}", "--redo 12,15-18")
        numbers += range(int(first), int(last or first) + 1)[:10_001]  # more is refused below
    if not numbers or len(numbers) > 10_000 or 0 in numbers:
        raise UsageError(f"--redo names no lines: {text!r}", "--redo 12,15-18")
    return list(dict.fromkeys(numbers))


def parse_range(text: str) -> tuple[float, float]:
    """The seconds of ``1:00-3:30``, ``90-`` (to infinity) or ``-0:30``. Raises UsageError for
    anything else."""
    start, dash, end = text.replace("–", "-").partition("-")
    times = [_parse_clock(start.strip(), 0.0), _parse_clock(end.strip(), math.inf)]
    if not dash or None in times or not (start.strip() or end.strip()):
        raise UsageError(
            f"--range takes START-END, not {reprlib.repr(text)}",
            "--range 1:00-3:30; --range 90- is from there to the end, --range -0:30 up to there",
        )
    first, last = (time or 0.0 for time in times)
    if last <= first:
        raise UsageError(f"--range {text} ends before it begins", "--range 1:00-3:30")
    return first, last


def _parse_clock(text: str, missing: float) -> float | None:
    """The seconds of ``90``, ``1:30``, ``1:02:03.5``; None if it is no time."""
    if not text:
        return missing
    found = re.fullmatch(r"(?:(?:(\d{1,3}):)?(\d{1,5}):)?(\d{1,7}(?:[.,]\d{1,6})?)", text, re.ASCII)
    if not found:
        return None
    hours, minutes, seconds = int(found[1] or 0), int(found[2] or 0), found[3].replace(",", ".")
    if (found[2] and float(seconds) >= 60) or (found[1] and minutes >= 60):
        return None
    return hours * 3600 + minutes * 60 + float(seconds)


def parse_speaker_name(text: str) -> tuple[str, str]:
    """Who, and the name for them, of ``S1=Mary``. Raises UsageError for anything else."""
    who, equals, name = (" ".join(part.split()) for part in text.partition("="))
    if not (who and equals and name):
        raise UsageError(
            f"--speaker-names takes WHO=NAME, not {reprlib.repr(text)}",
            "--speaker-names S1=Mary,S2=John",
        )
    if len(name) > LONGEST_NAME or not name.isprintable() or re.search(r"[:：<>\[\]]", name):
        raise UsageError(
            f"--speaker-names: {reprlib.repr(name)} cannot stand before a line as a name",
            f"at most {LONGEST_NAME} characters, without colons and brackets",
        )
    return who, name


MAKE: Final = "what to make"
WHO: Final = "speakers"
ENGINE = "engine; dubkit plugins lists them (default: auto)"
ENGINES = "{engines}, anyone's, or `./file.py:Class`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to make of a video, and how."""

    subs: bool = option(
        False,
        Spec(
            MAKE,
            "subtitles in the language spoken",
            page="main",
            other_names=("write_subs", "write_auto_subs", "write_sub", "write_auto_sub"),
        ),
    )
    to: tuple[str, ...] = option((), Spec(
        MAKE, "target languages, comma-separated: es, pt-BR, ...",
        "translate to these languages, comma-separated: `es`, `pt-BR`, `zh-Hant`",
        tag=True, purpose="translating", example="--to LANGUAGE", page="main",
        other_names=("target_language", "target_lang", "translate_to", "sub_lang", "sub_langs"),
    ))  # fmt: skip
    dub: bool = option(False, Spec(
        MAKE, "speak the translation over the original",
        "speak the translation (or the text of `--subs-from`) over the original's sound",
        purpose="dubbing", page="main",
    ))  # fmt: skip
    subs_from: str | None = option(None, Spec(
        MAKE, "text from a file, or embedded, embedded:es, site",
        "the text of a subtitle file (`FILE`), of the video's own track (`embedded`, "
        "`embedded:2`, `embedded:es`) or, for an address, of the site (`site`, `site:es`) instead "
        "of the speech",
        file=True, page="files", unset="from_speech",
    ))  # fmt: skip
    script: Path | None = option(None, Spec(  # noqa: RUF009 - returns a field
        MAKE, "your own words for it: txt, md, fountain, docx, pdf",
        "what is spoken, in your own words (txt, md, fountain, docx, pdf, or a subtitle file of "
        "which only the words are used): they get the times of the speech, and what nobody speaks "
        "or what is spoken besides is listed. Labels (`MARY:`), headings and stage directions are "
        "not shown",
        metavar="FILE", file=True, page="main", control="hidden",
        other_names=("text", "transcript", "lyrics", "align"),
    ))  # fmt: skip
    """See :mod:`dubkit.script`."""
    encoding: str | None = option(None, Spec(
        MAKE, "of that text: cp1250, big5, ... (default: detect)",
        "encoding of the subtitle file or track: `cp1250`, `iso8859-2`, `big5`, ...; detected if "
        "not given",
        metavar="NAME", check=check_encoding, page="files", unset="",
    ))  # fmt: skip
    """As Python names it; of text from a file only."""
    strict: bool = option(False, Spec(
        MAKE, "refuse a text with wrong times or damaged cues",
        "refuse a subtitle file with anything that its format does not have, instead of reading it "
        "as well as possible with a warning for each line",
        page="files",
    ))  # fmt: skip
    range: str = option("", Spec(
        MAKE, "only this part of it: 1:00-3:30, 90-, -0:30",
        "only this part of the film or the text, at the film's own times: `1:00-3:30`, `90-` to "
        "the end, `-0:30` up to there; hours, too, as `1:02:03.5-1:05:00`",
        metavar="START-END", check=parse_range, page="more",
        other_names=("clip_timestamps", "download_sections", "section", "time_range", "trim",
                     "ss", "start_time", "end_time"),
    ))  # fmt: skip
    """Empty: all of it. Of a text, the cues that begin in it."""
    formats: tuple[str, ...] | None = option(None, Spec(
        MAKE, f"subtitle files to write: {','.join(subtitles.FORMATS)}",
        "`srt`, `vtt`, `ass`, `ttml`, `json` (Whisper's own schema, with words), `txt`; "
        "comma-separated",
        flag="--format", choices=tuple(subtitles.FORMATS), normalize=str.lower,
        check=_check_format, page="more",
        other_names=("output_format", "sub_format", "convert_subs"),
    ))  # fmt: skip
    """None: the format of ``subs_from``, else srt."""
    sdh: bool = option(True, Spec(
        MAKE, "leave out sounds, songs and the names of speakers",
        "write subtitles without sounds (`[DOOR SLAMS]`, `♪`) and the names of speakers (`MARY:`)",
        page="more",
    ))  # fmt: skip
    """False: without what only the hard of hearing need. Nothing of it is ever spoken."""
    speaker_labels: bool = option(False, Spec(
        MAKE, "the name of its speaker before each cue",
        "write the name of its speaker before the text of each cue, where speakers are known",
        page="more",
    ))  # fmt: skip
    video: bool = option(True, Spec(MAKE, "write subtitle files only, no video", page="more"))
    burn: bool = option(False, Spec(
        MAKE, "draw the subtitles on the picture",
        "draw the subtitles on the picture instead of adding a track", page="main",
        other_names=("burn_in", "hardsub", "burn_subtitles"),
    ))  # fmt: skip

    output_dir: Path | None = option(None, Spec(  # noqa: RUF009 - returns a field
        "results", "folder for the results; or NAME.FIELD=VALUE",
        "`-o DIR`: folder for the results and the workspaces, with the folders of the inputs "
        "mirrored; one without a workspace starts from scratch. "
        "`-o NAME.FIELD=VALUE`: a setting of an engine",
        flag="--output", short="-o", metavar="DIR",
        other_names=("out", "outdir", "output_folder"),
    ))  # fmt: skip
    """None: the input's own folder."""
    settings: Mapping[str, Mapping[str, str]] = field(
        default_factory=dict, metadata={"spec": Spec("", "settings of engines", page="main")}
    )
    """By engine name and field."""
    force: bool = option(
        False,
        Spec(
            "results",
            "overwrite files that dubkit did not make",
            page="more",
            other_names=("overwrite", "force_overwrites", "overwrites"),
        ),
    )
    skip_existing: bool = option(False, Spec(
        "results", "skip languages that a file or a track has already",
        "skip the languages that a subtitle file beside the input or a track in it has already, "
        "whoever made them; with `--dub`, those that were dubbed",
        other_names=("no_overwrites", "nooverwrites"),
    ))  # fmt: skip
    keep: bool = option(False, Spec("results", "also keep the extracted audio"))
    adopt: bool = option(False, Spec(
        "results", "trust and use a workspace that was made elsewhere",
        "use a workspace (`*.dubkit/`) that somebody else made or another machine, if you trust "
        "what it holds; asked for once otherwise",
    ))  # fmt: skip

    language: str | None = option(None, Spec(
        "speech", "en, es, pt-BR, or several: en,de (default: find)",
        "BCP-47 tag of what is spoken, or several with commas: each stretch of speech is then in "
        "one of them. If not given, the language of each is found; one alone is taken for all",
        metavar="TAG", tag=True, check=_check_tags, page="more", unset="",
        other_names=("lang", "source_language", "source_lang"),
    ))  # fmt: skip
    audio_track: str | None = option(None, Spec(
        "speech", "audio track to transcribe: number from 1, or language",
        "number from 1, or language; default: the container's default track",
        metavar="N|LANG", page="speech",
        other_names=("audio_stream",),
    ))  # fmt: skip
    transcriber: str = option(
        "auto", Spec("speech", ENGINE, ENGINES, engine="transcribers", page="speech")
    )
    model: str = option("", Spec(
        "speech", "distil-large-v3.5, large-v3, base, a folder, ...",
        "a name, a hub's `owner/name`, or a folder", metavar="NAME|DIR", page="speech",
        other_names=("whisper_model", "model_size"),
    ))  # fmt: skip
    """Empty: the transcriber's choice."""
    device: str = option("", Spec(
        "speech", "cpu or cuda", "`cpu`, `cuda`, `cuda:1`", metavar="NAME",
        suggested=("cpu", "cuda"), page="speech", unset="automatic",
    ))  # fmt: skip
    """Empty: the engine's choice."""
    aligner: str = option(
        "auto",
        Spec(
            "speech",
            "engine for exact word times (default: auto)",
            ENGINES,
            engine="aligners",
            page="speech",
        ),
    )
    """Of a script; of recognized words if one is named."""
    prompt: str = option("", Spec(
        "speech", "text that resembles the speech: spelling, style", page="speech", lines=2,
        other_names=("initial_prompt",),
    ))  # fmt: skip
    hotwords: tuple[str, ...] = option(
        (),
        Spec(
            "speech",
            "names and terms to expect, comma-separated",
            page="speech",
            other_names=("hotword", "keywords"),
        ),
    )

    translator: str = option("auto", Spec(
        "translation", ENGINE, ENGINES, engine="translators", needs="to", page="translation",
    ))  # fmt: skip
    glossary: Path | None = option(None, Spec(  # noqa: RUF009 - returns a field
        "translation", "terms and their translations: csv of source,target",
        "csv of `source,target`: terms and how to translate them",
        file=True, needs="to", page="files",
    ))  # fmt: skip
    """See :func:`dubkit.translate.glossary.read`."""
    tone: str = option("", Spec(
        "translation", "formal, for children, ...", "`formal`, `for children`, ...",
        needs="to", page="translation",
    ))  # fmt: skip
    context: str = option(
        "", Spec("translation", "what the video is about", needs="to", page="translation")
    )
    bilingual: str | None = option(None, Spec(
        "translation", "both languages in each cue; or =original-first",
        "both languages in each cue; `=original-first` swaps them",
        metavar="ORDER", bare=BILINGUAL[0], choices=BILINGUAL, needs="to", page="translation",
    ))  # fmt: skip
    dry_run: bool = option(False, Spec(
        "translation", "only report how much it is and what it would cost",
        "only report how much it is and what it would cost, without translating",
        needs="to", page="translation",
    ))  # fmt: skip
    """See :func:`dubkit.pipeline.estimate`."""

    tts: str = option("auto", Spec(
        "dubbing", "engine that speaks (default: auto)", ENGINES,
        engine="synthesizers", needs="dub", former_names=("speaker",), page="dubbing",
    ))  # fmt: skip
    voice: tuple[str, ...] = option((), Spec(
        "dubbing", "a voice for all, or WHO=NAME (default: chosen)",
        "a voice for everyone (`NAME`), or for one speaker (`WHO=NAME`)",
        repeat=True, needs="dub", page="dubbing", control="pick",
        other_names=("voice_id",),
    ))  # fmt: skip
    redo: str = option("", Spec(
        "dubbing", "speak lines again, as another take: 12,15-18",
        "speak lines of the dub again, as another take: `12,15-18`",
        metavar="LIST", needs="dub", check=parse_redo, page="dubbing",
    ))  # fmt: skip
    verify: bool = option(True, Spec(
        "dubbing", "do not check what was spoken",
        "do not check what was spoken: its words (read back by a recognizer that is here), its "
        "voice, its sound",
        needs="dub", page="dubbing",
    ))  # fmt: skip
    takes: int = option(3, Spec(
        "dubbing", "most times a line is spoken (default: 3)",
        "times that a line is spoken at most until the check finds nothing wrong with it",
        needs="dub", bounds=(1, 20),
    ))  # fmt: skip
    clone: bool = option(False, Spec(
        "dubbing", "speak in the original's own voices",
        "speak in the original's own voices, by a `--tts` that clones",
        needs="dub", page="dubbing",
        other_names=("voice_clone", "clone_voice"),
    ))  # fmt: skip
    convert: str = option("", Spec(
        "dubbing", "engine that turns the lines into another voice",
        "an engine that turns the spoken lines into another voice: that of `--convert-to` "
        "(`NAME`, `WHO=NAME`), or the original's own",
        engine="converters", needs="dub", example="--convert NAME", page="dubbing",
    ))  # fmt: skip
    convert_to: tuple[str, ...] = option((), Spec(
        "dubbing", "its voice, or WHO=NAME (default: the original's own)",
        "the converter's voice", repeat=True, needs="convert", page="dubbing", control="line",
    ))  # fmt: skip
    consent: bool = option(False, Spec(
        "dubbing", "you may use the voices that are imitated",
        "you may use the voices that `--clone` and `--convert` imitate; asked for once otherwise",
        flag="--i-have-consent", page="dubbing",
    ))  # fmt: skip
    lipsync: str = option("", Spec(
        "dubbing", "engine that redraws mouths",
        engine="lipsyncers", needs="dub", page="dubbing",
    ))  # fmt: skip
    lipsync_mode: str = option("mouth", Spec(
        "dubbing", "mouth, avatar or avatar-corner (default: mouth)",
        "`mouth` redraws mouths; `avatar` shows a picture of the engine's own in place of the "
        "film's, `avatar-corner` in a corner of it",
        choices=LIPSYNC_MODES, needs="lipsync",
    ))  # fmt: skip
    faces: Path | None = option(None, Spec(  # noqa: RUF009 - returns a field
        "dubbing", "crops that --lipsync was trained on (dubkit faces)",
        "the folder that `dubkit faces` wrote, for a lip-syncer that was trained on its crops",
        metavar="DIR", needs="lipsync",
    ))  # fmt: skip
    separate: str = option("", Spec(
        "dubbing", "remove the original speech, not just lower all sound",
        "remove the speech from the original's sound instead of lowering all of it: {engines}",
        bare="auto", engine="separators", needs="dub", page="dubbing", unset="lower_only",
    ))  # fmt: skip
    dub_all: bool = option(False, Spec(
        "dubbing", "speak also what is in that language already",
        "speak also the lines that are spoken in the target language already; by itself a dub "
        "leaves them to the original voice",
        needs="dub", page="dubbing",
    ))  # fmt: skip
    one_file: bool = option(False, Spec(
        "dubbing", "all languages in one video",
        "the dubs in all languages as audio tracks of one video", needs="dub", page="dubbing",
    ))  # fmt: skip

    speakers: str = option("", Spec(
        WHO, "number of people, or auto (default: auto for a dub)",
        "tell this many people apart, or `auto`; a dub does so by itself",
        metavar="N|auto", check=_check_speakers, page="who",
        other_names=("diarize", "num_speakers", "min_speakers", "max_speakers"),
    ))  # fmt: skip
    """Empty: ``auto`` if a dub needs it."""
    speakers_from: Path | None = option(None, Spec(  # noqa: RUF009 - returns a field
        WHO, "who speaks when, from another tool: rttm or json",
        "who speaks when, from another tool: `rttm`, or json of pyannote, whisperX",
        file=True, page="files",
    ))  # fmt: skip
    """See :func:`dubkit.speech.diarization.read`."""
    diarizer: str = option("auto", Spec(WHO, ENGINE, ENGINES, engine="diarizers", page="who"))
    speaker_names: tuple[str, ...] = option((), Spec(
        WHO, "their names: S1=Mary,S2=John; or 1=Mary",
        "names for the speakers that are found: `S1=Mary,S2=John`, or by number, `1=Mary,2=John`; "
        "two with the same name are one",
        check=parse_speaker_name, page="who",
    ))  # fmt: skip
    """See :mod:`dubkit.pipeline.diarize`."""

    profile: str = option(profiles.DEFAULT, Spec(
        "style", f"{', '.join(profiles.PROFILES)} (default: {profiles.DEFAULT})",
        f"`{'`, `'.join(profiles.PROFILES)}` (default: `{profiles.DEFAULT}`)",
        metavar="NAME", choices=tuple(profiles.PROFILES), check=profiles.find, page="more",
    ))  # fmt: skip
    """See :data:`dubkit.cues.profiles.PROFILES`."""
    max_line_width: int | None = option(None, Spec(
        "style", "most characters in a line (default: the profile's)",
        "most characters in a line instead of the profile's; full-width ones in Chinese, Japanese "
        "and Korean",
        bounds=(5, 200), page="limits",
    ))  # fmt: skip
    max_lines: int | None = option(None, Spec(
        "style", "most lines in a cue (default: the profile's)", "most lines in a cue instead of "
        "the profile's", bounds=(1, 5), page="limits",
        other_names=("max_line_count",),
    ))  # fmt: skip
    max_words_per_cue: int | None = option(None, Spec(
        "style", "most words in a cue (default: the profile's)", "most words in a cue instead of "
        "the profile's, in languages that separate words", bounds=(1, 100), page="limits",
        other_names=("max_words_per_line", "max_words"),
    ))  # fmt: skip
    cps: int | None = option(None, Spec(
        "style", "characters a second (default: the profile's)",
        "characters to read in a second instead of the profile's", bounds=(1, 100), page="limits",
    ))  # fmt: skip
    retime: bool = option(False, Spec(
        "style", "retime the cues of a file for reading",
        "retime the cues of a subtitle file for reading; they keep their times otherwise",
        page="files",
    ))  # fmt: skip
    style: str = option("", Spec(
        "style", "karaoke, highlight, box, font=Arial,size=48,...",
        "burned and ass subtitles: the name of a preset (`karaoke`, `highlight`, `film`, `box`, "
        "`large`, `social`, `top`), `font=`, `size=`, `color=`, `bold=`, `outline=`, "
        "`outline_color=`, `box=`, `position=`, `margin=`, `words=`, `word_color=`; sizes in "
        "pixels of a picture 1080 high, scaled to others",
        metavar="LIST", check=parse_style, page="look",
    ))  # fmt: skip
    crf: int | None = option(None, Spec(
        "style", "quality of a burned picture, 0 best",
        "quality of a burned picture, 0 (best) to 51 (worst); 19 looks like the original",
        bounds=(0, 51), needs="burn", page="look",
    ))  # fmt: skip
    """On x264's scale; None: the encoder's default."""

    def __post_init__(self) -> None:
        if not (self.subs or self.burn or self.to or self.subs_from or self.script or self.dub):
            raise UsageError(
                "nothing to do", "say what to make: --subs (subtitles), --to es (translated ones)"
            )
        if self.formats == ():
            raise UsageError("no subtitle format is named", "--format srt")
        if self.burn and not self.video:
            raise UsageError("--burn makes a video and --no-video forbids it", "leave one out")
        self._check_each()
        if self.script and self.subs_from:
            raise UsageError(
                "--script is text without times and --subs-from is text with times",
                "leave one out",
            )
        if self.style and not (self.burn or "ass" in (self.formats or ())):
            raise UsageError(
                "--style is for --burn and --format ass", "add one of them, or leave --style out"
            )
        if self.burn and len(self.to) > 1:
            raise UsageError(
                f"--burn draws one language, and --to names {', '.join(self.to)}",
                "burn one at a time, or leave --burn out: a video holds many tracks",
            )
        if self.retime and not self.subs_from and not self.to:
            raise UsageError(
                "--retime is for text from a file; what is spoken is timed for reading anyway",
                "leave it out, or add --subs-from",
            )
        if self.speakers_from and (self.speakers or self.diarizer != "auto"):
            raise UsageError(
                "--speakers-from says who speaks when, and so would --speakers and --diarizer",
                "leave one out",
            )
        named = [parse_speaker_name(one)[0] for one in self.speaker_names]
        if twice := next((who for who in named if named.count(who) > 1), ""):
            raise UsageError(f"--speaker-names has two names for {twice}", "leave one out")
        if self.dub:
            self._check_dub()

    def _check_each(self) -> None:
        """The checks that each option's :class:`Spec` asks for."""
        options = list_options(type(self))
        needed = {one.name: one for one in options}
        for one in options:
            value = getattr(self, one.name)
            if value is None or value == one.default:
                continue
            if one.needs and not getattr(self, one.needs):
                other = needed[one.needs]
                raise UsageError(
                    f"{one.flag} is for {other.purpose or other.flag}",
                    f"add {other.example or other.flag}, or leave {one.flag} out",
                )
            for part in value if one.type is tuple else [value]:
                _check_value(one, part)

    def _check_dub(self) -> None:
        if not self.to and not self.subs_from:
            raise UsageError(
                "--dub in the language that is spoken already makes little sense",
                "--to pt dubs a translation; --subs-from FILE speaks a text of your own",
            )
        if self.burn or not self.video:
            raise UsageError(
                "--dub writes its own video", "leave --burn and --no-video out, or run twice"
            )
        if self.lipsync and self.one_file and len(self.to) > 1:
            raise UsageError(
                f"one picture can speak one language, and --to names {', '.join(self.to)}",
                "leave --one-file or --lipsync out",
            )

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that may be spoken; empty for any."""
        return tuple(dict.fromkeys(self.language.split(","))) if self.language else ()

    @property
    def spoken(self) -> str | None:
        """The language that is spoken, if it is given."""
        return self.languages[0] if len(self.languages) == 1 else None

    @property
    def reading(self) -> profiles.Profile:
        """The profile, with the limits that other options set."""
        return profiles.adjusted(
            profiles.find(self.profile),
            line_width=self.max_line_width,
            lines=self.max_lines,
            words=self.max_words_per_cue,
            reading_speed=self.cps,
        )

    @property
    def imitates(self) -> bool:
        """Whether the dub will sound like a particular person."""
        return self.clone or bool(self.convert)

    @property
    def named_engines(self) -> list[tuple[str, str]]:
        """Kind and name of each engine that is requested by name."""
        named = ((one.engine, getattr(self, one.name)) for one in list_options(type(self)))
        return [(kind, name) for kind, name in named if kind and name not in ("", "auto")]

    @property
    def original(self) -> bool:
        """Whether subtitles in the language spoken are wanted, not only its translations."""
        return self.subs or not self.to

    def engine_settings(self, engine: str) -> dict[str, str]:
        """All settings of an engine, including ``--model`` and ``--device``."""
        shortcuts = {"model": self.model, "device": self.device}
        return {key: value for key, value in shortcuts.items() if value} | dict(
            self.settings.get(engine, {})
        )


Options.__doc__ = "\n".join(
    [
        f"{Options.__doc__}\n",
        *(
            f"- ``{one.name}{'=False' if one.default is True else ''}``: {one.help}"
            for one in list_options(Options)
        ),
    ]
)

Texts: TypeAlias = str | Iterable[str]
"""A list of texts, or one text with commas."""
AnyPath: TypeAlias = str | Path


class Keywords(TypedDict, total=False):
    """The keywords of :func:`dubkit.run`: the fields of :class:`Options`, with looser values."""

    subs: bool
    to: Texts
    dub: bool
    subs_from: AnyPath | None
    script: AnyPath | None
    encoding: str | None
    strict: bool
    range: str
    formats: Texts | None
    sdh: bool
    speaker_labels: bool
    video: bool
    burn: bool
    output_dir: AnyPath | None
    settings: Mapping[str, Mapping[str, object]]
    force: bool
    skip_existing: bool
    keep: bool
    adopt: bool
    language: str | None
    audio_track: str | int | None
    transcriber: str
    model: AnyPath
    device: str
    aligner: str
    prompt: str
    hotwords: Texts
    translator: str
    glossary: AnyPath | None
    tone: str
    context: str
    bilingual: str | bool | None
    dry_run: bool
    tts: str
    voice: Texts
    redo: str
    verify: bool
    takes: int
    clone: bool
    convert: str
    convert_to: Texts
    consent: bool
    lipsync: str
    lipsync_mode: str
    faces: AnyPath | None
    separate: str | bool
    dub_all: bool
    one_file: bool
    speakers: str | int
    speakers_from: AnyPath | None
    diarizer: str
    speaker_names: Texts
    profile: str
    max_line_width: int | None
    max_lines: int | None
    max_words_per_cue: int | None
    cps: int | None
    retime: bool
    style: str
    crf: int | None


def from_keywords(keywords: Mapping[str, Any], options: type[Options] = Options) -> Options:
    """Options from Python keywords, the page's or the command's.

    Raises UsageError for an unknown name, naming the one that was probably meant, and for values
    that are invalid.
    """
    known = {one.name: one for one in list_options(options)}
    for name, value in keywords.items():
        if name not in known:
            raise unknown_option(name, value, options)
    return options(**{name: _convert_value(known[name], value) for name, value in keywords.items()})


def unknown_option(
    name: str, value: object = None, options: type[Options] = Options, *, flag: bool = False
) -> UsageError:
    """The error for a name that no option has; its hint says which was probably meant.

    With ``flag`` the error is worded for the command line, else for Python and the API.
    """
    known = {one.name: one for one in list_options(options)}
    renamed = [one for one in known.values() if name in (*one.former_names, *one.other_names)]
    near = [known[one] for one in difflib.get_close_matches(name[:30], known, 1)]
    message = f"there is no option {f'--{name}' if flag else reprlib.repr(name)}"
    if not (renamed or near):
        return UsageError(message, f"known: {', '.join(known)}")
    better = near and value is not None and _fits(near[0], value)
    first, *others = near + renamed if better else renamed + near
    if first.check and not _fits(first, value):  # other tools write it in another way
        value = None
    if flag:
        meant = first.title(value)
    else:
        meant = first.name if value is None else f"{first.name}={reprlib.repr(value)}"
    more = "".join(f" {one.title() if flag else one.name}: {one.help}" for one in others)
    return UsageError(message, f"did you mean {meant}?{more}")


def checked_value(one: Option, value: object) -> Any:
    """A value as the option's type. Raises UsageError for one that is none, by itself or among its
    elements; whether it goes with the other options, :class:`Options` checks."""
    converted = _convert_value(one, value)
    if converted != one.default:
        for part in converted if one.type is tuple else [converted]:
            _check_value(one, part)
    return converted


def _fits(one: Option, value: object) -> bool:
    """Whether a value is clearly one for this option."""
    try:
        checked_value(one, value)
    except UsageError:
        return False
    return bool(one.check or one.choices or one.bounds)


_EXPECTED: Mapping[type, str] = {
    bool: "it is True or False",
    int: "it is a whole number",
    float: "it is a number",
    str: "it is a text",
    tuple: "it is a list of texts, or one text with commas",
    Path: "it is a path",
    Mapping: "it is settings by engine: {'ENGINE': {'FIELD': 'VALUE'}}",
}


def _convert_value(one: Option, value: Any) -> Any:
    """A value as the option's type. Raises UsageError for one of another type."""
    wrong = UsageError(f"{one.name} cannot be {reprlib.repr(value)}", _EXPECTED[one.type])
    if value is None or (one.bare and value is False):
        return one.default
    if one.bare and value is True:
        return one.bare
    if one.type is tuple:
        if isinstance(value, str):
            value = [part.strip() for part in value.split(",") if part.strip()]
        elif not isinstance(value, Iterable) or isinstance(value, Mapping | bytes):
            raise wrong
        parts = list(value)
        if not all(isinstance(part, str) for part in parts):
            raise wrong
        return tuple(dict.fromkeys(_normal(one, part) for part in parts))
    if one.type is Mapping:
        if not isinstance(value, Mapping) or not all(
            isinstance(own, Mapping) for own in value.values()
        ):
            raise wrong
        return {
            engine: {key: str(text) for key, text in own.items()} for engine, own in value.items()
        }
    if isinstance(value, bool) != (one.type is bool):
        raise wrong
    if one.type in (str, Path):
        if not isinstance(value, str | int | float | os.PathLike):
            raise wrong
        text = _normal(one, str(value))
        return text if one.type is str else Path(text)
    if one.type is float and isinstance(value, int):
        return float(value)
    if not isinstance(value, one.type):
        raise wrong
    return value


def _normal(one: Option, text: str) -> str:
    if one.tag:
        return ",".join(understand(part.strip()) for part in text.split(","))
    return one.normalize(text)
