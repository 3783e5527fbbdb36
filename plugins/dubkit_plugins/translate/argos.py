"""``argos``: the packages of Argos Translate, for many languages, on this machine.

Only the index, the list of packages and their tokenizers are used of the library: what it splits
text into sentences with (stanza, spaCy) is large, and lines are sentences already. So
``pip install --no-deps argostranslate`` with sentencepiece and packaging is enough. Packages are
downloaded here too, since the library downloads over any protocol and unpacks whatever arrives.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import ctranslate2
import httpx
from argostranslate import package, settings

from dubkit import (
    DubkitError,
    InputError,
    MissingDependency,
    OutputError,
    PluginError,
    Progress,
    TranslationReply,
    TranslationRequest,
    Translator,
    UsageError,
)
from dubkit_plugins.http import BrokenOff, TooLarge, client
from dubkit_plugins.whisper.ct2_device import device_of, device_problems

log = logging.getLogger("dubkit")

OTHER_CODES = {
    "zh-hant": ("zt",), "zh-tw": ("zt",), "zh-hk": ("zt",), "zh-mo": ("zt",),
    "pt-br": ("pb", "pt"), "no": ("nb",), "nn": ("nb",),
    "fil": ("tl",), "iw": ("he",), "in": ("id",), "cmn": ("zh",),
}  # fmt: skip
"""Argos' codes, best first, for languages that have another code in BCP-47."""
PIVOT = "en"
"""Nearly every package is from or to English."""
WITHOUT_SPACES = ("zh", "zt", "ja", "th")
TIMEOUT = 30.0
"""Seconds without a byte."""
MAX_BYTES = 4_000_000_000
"""Of a package, packed or not; real ones are a hundred times smaller."""
MAX_INDEX_BYTES = 50_000_000
LOCAL = ("127.0.0.1", "::1", "localhost")
_SENTENCE_END = re.compile(
    r"(?<=[^\W\d]{4}[.…])\s+(?=[^\W\d_a-z])|(?<=[!?])\s+(?=[^\W_a-z])|(?<=[。！？])(?=\w)"
)
"""After a full stop only where the word before it is too long for a title (``Mr.``)."""

Pair: TypeAlias = tuple[str, str]


@dataclass(frozen=True)
class Argos(Translator):
    """Argos Translate's packages: about fifty languages, each through English."""

    device: str = "auto"
    """``cpu``, ``cuda`` or ``auto``."""
    beam_size: int = 4
    """Hypotheses kept while decoding; 1 is greedy."""
    _loaded: dict[Pair, _Model] = field(default_factory=dict, init=False, repr=False, compare=False)

    contract = 2
    priority = 10
    batch = 32

    def check(self) -> Sequence[str]:
        """Problems that keep it from working here."""
        return device_problems("argos", self.device)

    def close(self) -> None:
        """Unload the models."""
        self._loaded.clear()

    def supports(self, source: str | None, target: str) -> bool:
        """Whether packages for it are installed or in the index that was fetched last; without an
        index, anything that looks like two languages."""
        index = _read_index(settings.local_package_index)
        known = {*dict(_installed()), *index}
        sources, targets = _codes(source or ""), _codes(target)
        if source is None:
            return not index or any(to in targets for _, to in known)
        if _route(sources, targets, known):
            return True
        return not index and _plausible(sources, targets)

    def prepare(self, source: str | None, target: str, progress: Progress) -> None:
        """Get the packages; while the language spoken is not known, what lists them."""
        if problems := self.check():
            raise UsageError(*problems)
        if source is not None:
            _packages(source, target, progress)
        elif not any(to in _codes(target) for _, to in dict(_installed())):
            names = f"translate-{PIVOT}_{_codes(target)[0]}"
            _refuse_offline(f"there is no Argos package to {target} here", names)
            if not _read_index(settings.local_package_index):
                _fetch_index(names)

    def translate(self, request: TranslationRequest) -> TranslationReply:
        """See :class:`dubkit.hooks.Translator`."""
        texts = {line.id: line.text for line in request.lines if line.text.strip()}
        route = _packages(request.source, request.target, lambda *_: None)
        for pair, folder in route:
            if pair not in self._loaded:
                self._loaded[pair] = _load(folder, device_of("argos", self.device))
            results = _translate_texts(
                self._loaded[pair], list(texts.values()), pair, self.beam_size
            )
            texts = {key: text for key, text in zip(texts, results, strict=True) if text}
        return TranslationReply(
            texts, model="Argos " + " ".join(f"{source}→{target}" for (source, target), _ in route)
        )


# ---------------------------------------------------------------- translating


@dataclass(frozen=True, slots=True)
class _Model:
    translator: Any
    """CTranslate2's."""
    tokenizer: Any
    target_prefix: str


def _load(folder: Path, device: str) -> _Model:
    try:
        described = package.Package(folder)
        return _Model(
            ctranslate2.Translator(str(folder / "model"), device=device),
            described.tokenizer,
            described.target_prefix,
        )
    except (OSError, ValueError, RuntimeError, AttributeError) as failure:
        raise PluginError(
            f"the Argos package {folder.name} is damaged: {failure}",
            f"delete {folder} and run the same command again",
        ) from failure


def _translate_texts(model: _Model, texts: Sequence[str], pair: Pair, beam_size: int) -> list[str]:
    """Each text, sentence by sentence, as the networks were trained."""
    parts = [_SENTENCE_END.split(text.strip()) for text in texts]
    sentences = [sentence for part in parts for sentence in part]
    try:
        tokens = [model.tokenizer.encode(sentence) for sentence in sentences]
    except ModuleNotFoundError as missing:
        raise MissingDependency(
            f"the Argos package {pair[0]}→{pair[1]} needs {missing.name}", "pip install sacremoses"
        ) from missing
    prefix = [[model.target_prefix]] * len(tokens) if model.target_prefix else None
    # As argostranslate does (translate.apply_packaged_translation).
    results = model.translator.translate_batch(
        tokens,
        target_prefix=prefix,
        replace_unknowns=True,
        max_batch_size=settings.batch_size,
        batch_type="tokens",
        beam_size=beam_size,
        length_penalty=0.2,
    )
    translations = iter(
        model.tokenizer.decode(result.hypotheses[0]).removeprefix(model.target_prefix).strip()
        for result in results
    )
    gap = "" if pair[1] in WITHOUT_SPACES else " "
    lines = [[next(translations) for _ in part] for part in parts]
    # A sentence without a translation must not go missing inside a line.
    return [gap.join(line) if all(line) else "" for line in lines]


# ---------------------------------------------------------------- which packages


def _codes(tag: str) -> tuple[str, ...]:
    """Argos' codes for a BCP-47 tag, best first."""
    subtags = tag.replace("_", "-").lower().split("-")
    for end in range(len(subtags), 0, -1):
        if found := OTHER_CODES.get("-".join(subtags[:end])):
            return found
    return (subtags[0],)


def _plausible(sources: Sequence[str], targets: Sequence[str]) -> bool:
    return not set(sources) & set(targets) and all(
        re.fullmatch(r"[a-z]{2,3}", code) for code in (*sources, *targets)
    )


def _route(sources: Sequence[str], targets: Sequence[str], known: Iterable[Pair]) -> list[Pair]:
    """The packages to go through, one or two; empty if no route exists."""
    known = set(known)
    ways = [(source, target) for source in sources for target in targets if source != target]
    for way in ways:
        if way in known:
            return [way]
    for source, target in ways:
        if {(source, PIVOT), (PIVOT, target)} <= known:
            return [(source, PIVOT), (PIVOT, target)]
    return []


def _installed() -> Iterator[tuple[Pair, Path]]:
    """The packages on this machine; other folders are skipped."""
    for place in settings.package_dirs:
        for path in sorted(Path(place).glob("*/metadata.json")):
            pair = _pair(_json(path))
            if pair and (path.parent / "model").is_dir():
                yield pair, path.parent


def _json(path: Path) -> Any:
    """The JSON in a file; None if there is no such file or it is not JSON."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None


def _pair(about: object) -> Pair | None:
    """The direction of a package for translation, by its metadata, which is not trusted."""
    if not isinstance(about, dict) or about.get("type", "translate") != "translate":
        return None
    pair = about.get("from_code"), about.get("to_code")
    if all(isinstance(code, str) and re.fullmatch(r"[A-Za-z-]{2,12}", code) for code in pair):
        return str(pair[0]), str(pair[1])
    return None


def _read_index(path: Path) -> dict[Pair, tuple[str, ...]]:
    """The addresses of the newest version of each package, by an index that was fetched; empty if
    there is none."""
    entries = _json(path)
    found: dict[Pair, tuple[tuple[int, ...], tuple[str, ...]]] = {}
    for entry in entries if isinstance(entries, list) else ():
        if pair := _pair(entry):
            version = tuple(map(int, re.findall(r"\d{1,9}", str(entry.get("package_version")))))
            links = entry.get("links")
            links = tuple(map(str, links)) if isinstance(links, list) else ()
            if pair not in found or version >= found[pair][0]:
                found[pair] = version, links
    return {pair: links for pair, (_, links) in found.items()}


def _packages(source: str, target: str, progress: Progress) -> list[tuple[Pair, Path]]:
    """The packages to go through and their folders; missing ones are downloaded."""
    sources, targets = _codes(source), _codes(target)
    here = dict(_installed())
    route = _route(sources, targets, here)
    if not route:
        names = f"translate-{sources[0]}_{targets[0]}"
        _refuse_offline(f"there is no Argos package from {source} to {target} here", names)
        index = _read_index(settings.local_package_index)
        if not (route := _route(sources, targets, {*here, *index})):
            index = _fetch_index(names)
            route = _route(sources, targets, {*here, *index})
        if not route:
            raise UsageError(
                f"Argos has no package from {source} to {target}", "argospm search lists them"
            )
        for pair in route:
            if pair not in here:
                _install(pair, index[pair], progress)
        here = dict(_installed())
    return [(pair, here[pair]) for pair in route]


# ---------------------------------------------------------------- downloads


@contextmanager
def _opened(url: str, largest: int) -> Iterator[httpx.Response]:
    """The answer of an address, and of those that it redirects to, if nobody on the way can have
    changed them.

    Raises InputError for any other address, httpx's errors for what goes wrong.
    """
    # No deadline: a package may take as long as its connection needs.
    with (
        client(
            TIMEOUT, largest, deadline=False, redirects=True, allow=_check_address
        ) as connection,
        connection.stream("GET", url) as response,
    ):
        if not response.is_success:
            raise httpx.HTTPStatusError(
                f"{response.status_code} {response.reason_phrase}",
                request=response.request,
                response=response,
            )
        yield response


def _check_address(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOCAL):
        raise InputError(
            f"packages come over https, not from {url}", "set ARGOS_PACKAGE_INDEX to an https one"
        )


def _refuse_offline(missing: str, names: str) -> None:
    """Raise MissingDependency where the internet may not be used."""
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        raise MissingDependency(
            f"{missing}, and HF_HUB_OFFLINE keeps dubkit from the internet",
            f"argospm update && argospm install {names}, where there is internet; "
            f"its packages are folders in {settings.package_data_dir}",
        )


def _fetch_index(names: str) -> dict[Pair, tuple[str, ...]]:
    url = settings.remote_package_index
    try:
        with _opened(url, MAX_INDEX_BYTES) as response:
            content = response.read()
    except (httpx.HTTPError, httpx.InvalidURL) as failure:
        raise MissingDependency(
            f"the index of Argos packages cannot be fetched from {url}: {failure}",
            f"check the connection, or install the package elsewhere: argospm install {names}; "
            f"its packages are folders in {settings.package_data_dir}",
        ) from failure
    with _temporary_folder(settings.local_package_index.parent) as folder:
        (folder / "index.json").write_bytes(content)
        found = _read_index(folder / "index.json")
        if not found:
            raise InputError(f"{url} is no index of Argos packages", "check ARGOS_PACKAGE_INDEX")
        (folder / "index.json").replace(settings.local_package_index)
    return found


def _install(pair: Pair, links: Sequence[str], progress: Progress) -> None:
    """Download a package, check its contents, and put it where Argos looks for it."""
    failure: DubkitError = InputError(f"the index has no address for {pair[0]}→{pair[1]}")
    for link in links:
        with _temporary_folder(settings.package_data_dir.parent) as folder:
            try:
                _download(pair, link, folder / "package.zip", progress)
                unpacked = _unpack(folder / "package.zip", folder / "unpacked", pair, link)
            except DubkitError as wrong:
                failure = wrong
                continue
            place = settings.package_data_dir / unpacked.name
            try:
                unpacked.replace(place)
            except OSError as wrong:
                if pair in dict(_installed()):
                    return  # another run installed it in the meantime
                raise OutputError(
                    f"cannot write {place}: {wrong}", f"delete {place}, or check its permissions"
                ) from wrong
            return
    raise failure


@contextmanager
def _temporary_folder(parent: Path) -> Iterator[Path]:
    """A folder in ``parent`` that is removed afterwards."""
    try:
        folder = Path(tempfile.mkdtemp(prefix=".dubkit-", dir=parent))
    except OSError as failure:
        raise OutputError(
            f"cannot write in {parent}: {failure}", "check its permissions"
        ) from failure
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _download(pair: Pair, link: str, out: Path, progress: Progress) -> None:
    stage = f"download argos {pair[0]}→{pair[1]}"
    total = done = 0
    try:
        with _opened(link, MAX_BYTES) as response, out.open("wb") as file:
            length = response.headers.get("content-length", "")
            total = int(length) if length.isdigit() else 0
            log.info("downloading argos %s→%s from %s, %.0f MB", *pair, link, total / 1e6)
            for chunk in response.iter_bytes():
                done += file.write(chunk)
                progress(stage, float(done), float(max(total, done)))
    except TooLarge as failure:
        raise InputError(f"{link} is too large to be an Argos package") from failure
    except BrokenOff as failure:
        whole = f"{total:,}" if total else "an unknown number of"
        raise MissingDependency(
            f"downloading {link} broke off after {done:,} of {whole} bytes",
            "run the same command to try again",
        ) from failure
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as failure:
        raise MissingDependency(
            f"downloading {link} failed: {failure}", "run the same command to try again"
        ) from failure


def _unpack(path: Path, out: Path, pair: Pair, link: str) -> Path:
    """The one folder in a package; its members are checked before anything is written."""

    def refused(reason: str) -> InputError:
        return InputError(f"{link} is no Argos package: {reason}", "try again, or report it there")

    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            names = [PurePosixPath(member.filename.replace("\\", "/")) for member in members]
            for member, name in zip(members, names, strict=True):
                if name.is_absolute() or ".." in name.parts or ":" in member.filename:
                    raise refused(f"it would write to {member.filename}")
                if stat.S_ISLNK(member.external_attr >> 16):
                    raise refused(f"{member.filename} is a link")
            if sum(member.file_size for member in members) > MAX_BYTES:
                raise refused("it is too large")
            tops = {name.parts[0] for name in names if name.parts}
            if len(tops) != 1:
                raise refused("it is not one folder")
            archive.extractall(out)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as failure:
        raise refused(str(failure)) from failure
    folder = out / tops.pop()
    if (
        _pair(_json(folder / "metadata.json")) != pair
        or not (folder / "model" / "model.bin").is_file()
    ):
        raise refused(f"it has no model from {pair[0]} to {pair[1]}")
    return folder
