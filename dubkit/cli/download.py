"""Inputs that are addresses: downloaded by yt-dlp (the extra ``url``) before anything else.

What was downloaded is noted beside it, under hashes of addresses, so that a second run finds it.
Addresses, titles and file names come from strangers: only http and https are followed, a title
becomes a file name that no system trips over, and no password of an address is shown or kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import logging
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

from dubkit import languages
from dubkit.errors import DubkitError, InputError, MissingDependency, OutputError
from dubkit.files import read_json, replacing, write_json
from dubkit.hooks import Progress
from dubkit.media.ffmpeg import ffmpeg_path
from dubkit.options import SITE
from dubkit.subtitles.source import format_of, name_parts
from dubkit.system.faults import without_passwords

from .inputs import MEDIA_SUFFIXES, Failures

log = logging.getLogger("dubkit")

NOTES = ".dubkit-downloads.json"
"""By hashes of addresses, the stems of what was downloaded into a folder; by hashes of stems, which
file is the site's text in the language spoken."""
LONGEST_STEM = 120
"""Bytes of a file's name: room for the languages and suffixes of what is made of it."""
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""Names that are devices on Windows."""
SITE_MARK = ".site"
"""In the names of a site's subtitles, behind the stem."""
RETRIES = 3
TIMEOUT = 30.0
"""Seconds without a byte."""
DEPTH = 3
"""Lists within lists that are followed: a channel has its lists of videos."""
SUBTITLE_FORMATS = ("vtt", "ttml", "srt", "ass")
"""Of a site's, the best first: WebVTT says how captions roll."""


@dataclass(frozen=True, slots=True)
class Download:
    """A video on this machine."""

    path: Path
    subtitles: Path | None = None
    """The site's own, if they were asked for and it has any."""


def download(
    address: str,
    folder: Path,
    subs_from: str | None,
    progress: Progress,
    *,
    dry: bool = False,
    alone: bool = False,
) -> tuple[list[Download], Failures]:
    """The videos at an address, several if it is a list; and what failed. Nothing is downloaded
    twice, and what broke off is resumed.

    ``subs_from`` may ask for the site's own subtitles. With ``dry``, nothing is downloaded, and
    with ``alone`` no list. Raises InputError for an address that cannot be used, MissingDependency
    without yt-dlp, OutputError when the folder cannot be written to.
    """
    place = without_passwords(address)
    if address.partition("://")[0].lower() not in ("http", "https"):
        raise InputError(f"{place} is no address of the web", "one begins with https://")
    site = SITE.fullmatch(subs_from or "")
    wanted = site[1] or "" if site else None
    if known := _known(address, folder, wanted):
        return [known], []
    if dry:
        raise InputError(
            f"{place} is not here yet, so nothing can be estimated",
            "leave --dry-run out, and it is downloaded",
        )
    done: list[Download] = []
    failed: Failures = []
    with _downloader(folder, progress) as downloader:
        videos = _videos(downloader, address, failed)
        if alone:
            videos = iter(_one_of(videos, place))
        for video in videos:
            own = str(video.get("webpage_url") or video.get("url") or address)
            try:
                done.append(_fetch(downloader, video, folder, (own, address), wanted))
            except OutputError:
                raise
            except DubkitError as failure:
                failed.append((without_passwords(own), failure))
            except Exception as failure:
                failed.append((without_passwords(own), _explained(failure, own)))
    return done, failed


# ---------------------------------------------------------------- yt-dlp


@contextlib.contextmanager
def _downloader(folder: Path, progress: Progress) -> Iterator[Any]:
    """yt-dlp's, which prints nothing, asks nothing, and reads none of its configuration."""
    try:
        from yt_dlp import YoutubeDL
        from yt_dlp.utils import expand_path
    except ModuleNotFoundError as missing:
        raise MissingDependency(
            "addresses are downloaded by yt-dlp, which is not installed",
            'pip install "dubkit[url]"',
        ) from missing
    home = str(folder.absolute())
    if expand_path(home) != home:
        raise OutputError(
            f"yt-dlp would take a part of {folder} for a variable", "-o names another folder"
        )

    def report(state: Mapping[str, Any]) -> None:
        if state.get("status") == "downloading":
            total = state.get("total_bytes") or state.get("total_bytes_estimate") or 0
            stem = state.get("info_dict", {}).get("dubkit_stem", "")
            progress(f"download {stem}", state.get("downloaded_bytes") or 0, total)

    options: dict[str, Any] = {
        "quiet": True,
        "noprogress": True,
        "color": "no_color",
        "logger": _Log(),
        "cachedir": False,
        "noplaylist": True,  # of a video that plays in a list, the video
        "extract_flat": "in_playlist",
        "retries": RETRIES,
        "fragment_retries": RETRIES,
        "socket_timeout": TIMEOUT,
        "paths": {"home": home},
        # A field, since variables are replaced in the template itself.
        "outtmpl": {"default": "%(dubkit_stem)s.%(ext)s"},
        "merge_output_format": "mp4/mkv",
        "subtitlesformat": "/".join((*SUBTITLE_FORMATS, "best")),
        "progress_hooks": [report],
    }
    with contextlib.suppress(MissingDependency):  # then what needs no merging
        options["ffmpeg_location"] = ffmpeg_path()
    with YoutubeDL(options) as site:
        yield site


class _Log:
    """What yt-dlp has to say goes to the log; its errors are raised, too."""

    def debug(self, message: str) -> None:
        """Also takes what is for information."""
        log.debug("%s", without_passwords(message))

    warning = error = debug


def _explained(failure: Exception, address: str) -> InputError:
    """A failure of yt-dlp in its own words, in one sentence."""
    text = without_passwords(str(failure)).strip() or type(failure).__name__
    text = text.splitlines()[0]
    text = re.sub(r"^(?:ERROR:\s*)?(?:\[[^\]]*\]\s*)?(?:[\w-]{1,40}:\s+)?", "", text)
    text = re.split(r"\s*\(caused by |; please report |[.;]? (?:Use|See) +(?:--|http)", text)[0]
    return InputError(
        f"{without_passwords(address)} cannot be downloaded: {text.rstrip('. ')}",
        "look at it in a browser; if it plays there: pip install --upgrade yt-dlp",
    )


def _videos(
    downloader: Any, address: str, failed: Failures, depth: int = 0, kind: str | None = None
) -> Iterator[dict[str, Any]]:
    """What yt-dlp knows of each video at an address; ``failed`` gets what it cannot find out."""
    place = without_passwords(address)
    try:
        found = downloader.extract_info(address, download=False, ie_key=kind)
        entries = list(filter(None, found["entries"])) if "entries" in found else None
    except Exception as failure:
        failed.append((place, _explained(failure, address)))
        return
    if entries is None:
        yield found
        return
    if depth >= DEPTH or not entries:
        reason = InputError(f"{place} is a list without videos", "name one of its videos")
        failed.append((place, reason))
        return
    for entry in entries:
        if "formats" in entry:
            yield {**entry, "in_list": len(entries) > 1}
        elif following := entry.get("url") or entry.get("webpage_url"):
            for video in _videos(downloader, following, failed, depth + 1, entry.get("ie_key")):
                yield {**video, "in_list": video.get("in_list") or len(entries) > 1}


def _one_of(videos: Iterator[dict[str, Any]], place: str) -> list[dict[str, Any]]:
    """The only one of some videos. Raises InputError if there are more."""
    found = list(itertools.islice(videos, 2))
    if len(found) > 1 or any(video.get("in_list") for video in found):
        raise InputError(f"{place} is a list", "name one of its videos")
    return found


def _fetch(
    downloader: Any,
    video: dict[str, Any],
    folder: Path,
    addresses: tuple[str, str],
    wanted: str | None,
) -> Download:
    """Download a video, and of its subtitles those in the language ``wanted``, "" for the one that
    is spoken; None for no subtitles. ``addresses`` are its own and the one that was typed."""
    own, typed = addresses
    if video.get("is_live"):
        raise InputError(f"{without_passwords(own)} is live", "wait until it is over")
    key = f"{video.get('extractor_key')} {video.get('id')}"
    if video.get("extractor_key", "Generic") == "Generic":  # a site's number says it all
        key = f"{key} {own}"
    notes = _read_notes(folder)
    stem = notes.get(_hash(key)) or _free_stem(video, folder, notes)
    path, text = _media(folder, stem), _text(folder, stem, wanted)
    language = _site_language(video, wanted) if wanted is not None and not text else None
    if path is None or language:
        # Noted before the first byte: what breaks off is resumed under its name.
        keys = (key,) if video.get("in_list") else (key, typed)
        _write_notes(folder, {**notes, **{_hash(one): stem for one in keys}})
    if path is None:
        made = _process(downloader, video, stem, None)
        path = Path(made["requested_downloads"][0]["filepath"])
    if language:
        # Under a name of their own: yt-dlp takes what is there for the site's.
        made = _process(downloader, video, f"{stem}{SITE_MARK}", language)
        for tag, one in (made.get("requested_subtitles") or {}).items():
            if written := one.get("filepath"):
                text = _renamed(Path(written), folder, stem, tag)
        if text and not wanted:
            _write_notes(folder, {**_read_notes(folder), _hash(f"spoken {stem}"): text.name})
    if wanted is not None and text is None:
        what = f"in {languages.name(wanted)}" if wanted else "of its own"
        log.warning("%s has no subtitles %s: its speech is transcribed", path.name, what)
    return Download(folder / path.name, text)


def _process(downloader: Any, video: dict[str, Any], stem: str, language: str | None) -> Any:
    """Download a video, or only its subtitles in a language; returns what yt-dlp knows then."""
    downloader.params.update(
        writesubtitles=bool(language),
        writeautomaticsub=bool(language),
        subtitleslangs=[re.escape(language)] if language else [],
        skip_download=bool(language),
    )
    return downloader.process_ie_result({**video, "dubkit_stem": stem}, download=True)


def _site_language(video: Mapping[str, Any], wanted: str) -> str | None:
    """The site's name of the language to take subtitles in: of what people wrote, else of what a
    machine recognized; in the language ``wanted``, else in the one that is spoken."""
    written = [str(tag) for tag in video.get("subtitles") or {} if tag != "live_chat"]
    recognized: list[str] = list(video.get("automatic_captions") or {})
    # Beside what is spoken, there are translations of it by machine.
    original = [tag for tag in recognized if tag.endswith("-orig")]
    spoken = "".join(original[:1]).removesuffix("-orig")
    language = wanted or str(video.get("language") or spoken)
    if not language:
        return next(iter([*written, *recognized]), None)
    for tags in (written, original + recognized):
        same = [tag for tag in tags if tag.lower() == language.lower()]
        near = [tag for tag in tags if languages.primary(tag) == languages.primary(language)]
        if same or near:
            return (same or near)[0]
    return None


# ---------------------------------------------------------------- files


def _known(address: str, folder: Path, wanted: str | None) -> Download | None:
    """The video at an address if it is here, with the subtitles that are wanted."""
    stem = _read_notes(folder).get(_hash(address))
    path = _media(folder, stem) if stem else None
    if path is None or stem is None:
        return None
    text = _text(folder, stem, wanted)
    return Download(path, text) if wanted is None or text else None


def _hash(key: str) -> str:
    text = without_passwords(key).encode("utf-8", "surrogatepass")  # it may have been typed so
    return hashlib.sha256(text).hexdigest()[:32]


def _read_notes(folder: Path) -> dict[str, str]:
    """The notes of a folder, as far as they are good: anybody may have written there."""
    try:
        notes = read_json(folder / NOTES)
        return {
            str(key): stem
            for key, stem in notes.items()
            if isinstance(stem, str) and PureWindowsPath(stem).name == stem
        }
    except (OSError, ValueError, AttributeError):
        return {}


def _write_notes(folder: Path, notes: Mapping[str, str]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / NOTES) as part:
            write_json(part, notes)
    except OSError as failure:
        why = failure.strerror or failure
        raise OutputError(
            f"cannot write in {folder}: {why}", "-o DIR writes elsewhere"
        ) from failure


def _safe(title: str) -> str:
    """A title as the stem of a file's name, on every system."""
    from yt_dlp.utils import sanitize_filename

    text = unicodedata.normalize("NFC", sanitize_filename(title))
    text = "".join(char for char in text if unicodedata.category(char)[0] != "C")
    text = _cut(" ".join(text.split()).lstrip(".- "), LONGEST_STEM)
    return f"{text}_" if not text or RESERVED.fullmatch(text) else text


def _cut(text: str, size: int) -> str:
    """A text of at most so many bytes, as a name may end."""
    return text.encode("utf-8", "ignore")[:size].decode("utf-8", "ignore").rstrip(". ")


def _free_stem(video: Mapping[str, Any], folder: Path, notes: Mapping[str, str]) -> str:
    """A stem of the video's title that no other file here has, on any system."""
    stem = _safe(str(video.get("title") or video.get("id") or "video"))
    taken = {*notes.values()}
    with contextlib.suppress(OSError):
        taken |= {path.name.partition(".")[0] for path in folder.iterdir()}
        taken |= {path.stem for path in folder.iterdir()}
    folded = {one.casefold() for one in taken}
    short = _cut(stem, LONGEST_STEM - len(" (10000)"))
    numbers = (f"{short} ({number})" for number in itertools.count(2))
    return next(one for one in itertools.chain([stem], numbers) if one.casefold() not in folded)


def _media(folder: Path, stem: str) -> Path | None:
    return next(
        (
            path
            for suffix in sorted(MEDIA_SUFFIXES)
            if (path := folder / f"{stem}{suffix}").is_file()
        ),
        None,
    )


def _text(folder: Path, stem: str, wanted: str | None) -> Path | None:
    """The site's subtitles of a video that are here: in the language ``wanted``, or for "" those
    that were noted as what is spoken."""
    if wanted == "":
        name = _read_notes(folder).get(_hash(f"spoken {stem}"), "")
        return folder / name if name and (folder / name).is_file() else None
    if wanted and folder.is_dir():
        for path in sorted(folder.iterdir()):
            if path.name.startswith(f"{stem}{SITE_MARK}.") and format_of(path):
                language = name_parts(path).language or ""
                if languages.primary(language) == languages.primary(wanted):
                    return path
    return None


def _renamed(path: Path, folder: Path, stem: str, tag: str) -> Path:
    """The site's subtitles, called ``talk.site.en.vtt`` for ``en-orig``: ``talk.en.vtt`` is a
    result."""
    language = languages.in_name(tag.removesuffix("-orig")) or languages.primary(tag)
    return path.replace(folder / f"{stem}{SITE_MARK}.{language}{path.suffix}")
