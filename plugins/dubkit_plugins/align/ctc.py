"""``ctc``: word times from networks that hear characters (wav2vec2, HuBERT, MMS and the like).

Such a network says for each 20 ms of sound how likely each character is, and for most of them that
it is none: a character is a spike somewhere inside of its sound, or a moment late. So all that is
taken from it is that the edge of two words, or the pause between them, is somewhere between the
nearest spikes of both: where exactly, the sound says.
What a network has no character for (digits, other scripts) may sound like anything.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dubkit import Aligner, MissingDependency, Passage, Progress, Word, language_name
from dubkit import primary_language as primary
from dubkit_plugins import libraries
from dubkit_plugins.whisper.engine import SAMPLE_RATE, Samples

from . import hub
from .ctc_path import Floats, best_path
from .passages import SHORTEST, between, one_by_one

if TYPE_CHECKING:
    from dubkit_plugins.whisper.models import Weights

MODELS = {
    "en": "facebook/wav2vec2-base-960h",
    **{
        code: f"jonatasgrosman/wav2vec2-large-xlsr-53-{name}"
        for code, name in {
            "ar": "arabic", "de": "german", "el": "greek", "es": "spanish", "fa": "persian",
            "fi": "finnish", "fr": "french", "hu": "hungarian", "it": "italian", "ja": "japanese",
            "nl": "dutch", "pl": "polish", "pt": "portuguese", "ru": "russian",
            "zh": "chinese-zh-cn",
        }.items()
    },
    "ca": "softcatala/wav2vec2-large-xlsr-catala",
    "cs": "comodoro/wav2vec2-xls-r-300m-cs-250",
    "da": "saattrupdan/wav2vec2-xls-r-300m-ftspeech",
    "eu": "stefan-it/wav2vec2-large-xlsr-53-basque",
    "gl": "ifrz/wav2vec2-large-xlsr-galician",
    "he": "imvladikon/wav2vec2-xls-r-300m-hebrew",
    "hi": "theainerd/Wav2Vec2-large-xlsr-hindi",
    "hr": "classla/wav2vec2-xls-r-parlaspeech-hr",
    "id": "cahya/wav2vec2-large-xlsr-indonesian",
    "ka": "xsway/wav2vec2-large-xlsr-georgian",
    "ko": "kresnik/wav2vec2-large-xlsr-korean",
    "lv": "jimregan/wav2vec2-large-xlsr-latvian-cv",
    "ml": "gvs/wav2vec2-large-xlsr-malayalam",
    "nb": "NbAiLab/nb-wav2vec2-1b-bokmaal-v2",
    "nn": "NbAiLab/nb-wav2vec2-1b-nynorsk",
    "ro": "gigant/romanian-wav2vec2",
    "sk": "comodoro/wav2vec2-xls-r-300m-sk-cv8",
    "sl": "anton-l/wav2vec2-large-xlsr-53-slovenian",
    "sv": "KBLab/wav2vec2-large-voxrex-swedish",
    "te": "anuragshas/wav2vec2-large-xlsr-53-telugu",
    "tl": "Khalsuu/filipino-wav2vec2-l-xls-r-300m-official",
    "tr": "mpoyraz/wav2vec2-xls-r-300m-cv7-turkish",
    "uk": "Yehor/wav2vec2-xls-r-300m-uk-with-small-lm",
    "ur": "kingabzpro/wav2vec2-large-xls-r-300m-Urdu",
    "vi": "nguyenvulebinh/wav2vec2-base-vi-vlsp2020",
}  # fmt: skip
"""The models that whisperX 3.8 takes by default; in German, French, Italian and Spanish others,
since the licenses of those forbid commercial use."""
MODELS |= {"no": MODELS["nb"], "fil": MODELS["tl"]}
LONGEST = 40.0
"""Seconds of a passage: the memory that attention takes grows with its square."""
ANY = -2
"""Stands for a sound that the network has no character for."""
OUTER = 15
"""Frames before the first spike and after the last one in which the first word begins and the last
one ends."""

Romanize = Callable[[str], str]


@dataclass(frozen=True)
class CTC(Aligner):
    """Word times from wav2vec2 and other CTC networks, by the characters that they hear."""

    model: str = "auto"
    """``owner/name`` on the hub, a folder, or ``auto``: one for each language that is known."""
    device: str = "auto"
    """``cpu``, ``cuda``, ``cuda:1`` or ``auto``."""
    _loaded: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """The networks, by their names, from the first file on."""

    contract = 2
    priority = 3

    def __post_init__(self) -> None:
        libraries.has_libraries("torch", "transformers")

    def close(self) -> None:
        """Unload the networks."""
        self._loaded.clear()

    def check(self) -> Sequence[str]:
        """Problems that keep it from working here."""
        return hub.device_problems("ctc", self.device)

    def supports(self, language: str) -> bool:
        """Any, with a model for it."""
        return True

    def has_model(self, language: str) -> bool:
        """See :class:`dubkit.hooks.NeedsModels`."""
        is_known = self.model != "auto" or primary(language) in MODELS
        return is_known and hub.find_here(self._name(language)) is not None

    def models(self) -> Sequence[str]:
        """See :class:`dubkit.hooks.HasModels`."""
        names = MODELS.values() if self.model == "auto" else [self.model]
        return [name for name in dict.fromkeys(names) if hub.find_here(name)]

    def align(
        self, audio: Path, passages: Sequence[Passage], *, language: str, progress: Progress
    ) -> Sequence[Sequence[Word]]:
        """See :class:`dubkit.hooks.Aligner`."""
        from dubkit_plugins.whisper.speech_activity import open_wav
        from dubkit_plugins.whisper.windows import samples_between

        name = self._name(language)
        if name not in self._loaded:
            self._loaded[name] = Network(hub.find("ctc", name, progress), self.device)
        network: Network = self._loaded[name]
        sound = open_wav(audio)

        def words(passage: Passage) -> Sequence[Word]:
            return _align(network, passage, samples_between(sound, passage.start, passage.end))

        return one_by_one(passages, words, progress)

    def _name(self, language: str) -> str:
        if self.model != "auto":
            return self.model
        if name := MODELS.get(primary(language)):
            return name
        raise MissingDependency(
            f"ctc knows no model for {language_name(language)}",
            "-o ctc.model=OWNER/NAME names one on the hub, or a folder; or leave --aligner out",
        )


class Network:
    """A CTC network with the characters that it hears."""

    def __init__(self, weights: Weights, device: str) -> None:
        """Raises InputError for files that are no such network."""
        from transformers import AutoFeatureExtractor, AutoModelForCTC, AutoTokenizer

        from dubkit_plugins.separate.stems import device_of

        self._network = hub.load(AutoModelForCTC, weights, device_of("ctc", device))
        self._features = hub.read(AutoFeatureExtractor, weights)
        known = hub.read(AutoTokenizer, weights).get_vocab()
        self.characters: dict[str, int] = {
            character: column
            for character, column in known.items()
            if isinstance(column, int) and 0 <= column < self._network.config.vocab_size
        }
        """The column of each; of more than one letter are only what no text has, as ``<pad>``."""
        if not any(character.isalpha() for character in self.characters if len(character) == 1):
            raise hub.unreadable(weights, "it does not hear single characters")
        self.blank: int = self.characters.get("<blank>", self._network.config.pad_token_id)
        self.between: int | None = self.characters.get("|")

    def hear(self, samples: Samples) -> Floats:
        """Of each frame the logarithm of each character's probability, and of any sound's in one
        more column, of shape (frames, characters + 1)."""
        import torch

        made = self._features(samples, sampling_rate=SAMPLE_RATE, return_tensors="pt")
        with torch.inference_mode():
            logits = self._network(**made.to(self._network.device)).logits[0]
            scores: Floats = logits.float().log_softmax(dim=-1).cpu().numpy()
        # Within such a word the network hears characters, and blanks beside them.
        inside = scores if self.between is None else np.delete(scores, self.between, axis=1)
        return np.concatenate([scores, inside.max(axis=1, keepdims=True)], axis=1)


def _align(network: Network, passage: Passage, samples: Samples) -> Sequence[Word]:
    """The words of a passage in its sound; nothing if they cannot be in it."""
    seconds = len(samples) / SAMPLE_RATE
    texts = [spell(word, network.characters, _romanize) for word in passage.words]
    is_known = any(column != ANY for text in texts for column in text)
    if not SHORTEST <= seconds <= LONGEST or not is_known:
        return ()
    scores = network.hear(samples)
    anything = scores.shape[1] - 1
    columns = [[anything if one == ANY else one for one in text] for text in texts]
    path = best_path(scores, columns, blank=network.blank, between=network.between)
    if path is None:
        return ()
    flat = [column for text in columns for column in text]
    silent = scores[:, network.blank] >= np.delete(scores, network.blank, 1)[:, :-1].max(axis=1)
    spikes = [
        _spike(np.flatnonzero(path == k), silent if column == anything else None)
        for k, column in enumerate(flat)
    ]
    sure = [
        float(np.exp(scores[path == k, column]).mean()) if column != anything else None
        for k, column in enumerate(flat)
    ]
    step, begin = seconds / len(scores), max(0.0, passage.start)
    firsts = [0, *accumulate(map(len, texts))]
    gaps = [(begin + a * step, begin + b * step) for a, b in gaps_of(spikes, firsts, len(scores))]
    times = between(gaps, list(map(bool, texts)), samples, begin)
    words = []
    for text, (first, after), edges in zip(passage.words, pairwise(firsts), times, strict=True):
        own = [one for one in sure[first:after] if one is not None]
        words.append(Word(*edges, text, sum(own) / len(own) if own else None))
    return words


def _spike(frames: npt.NDArray[np.intp], silent: npt.NDArray[np.bool_] | None) -> tuple[int, int]:
    """The first and last frame of a character. Any sound reaches from the first to the last frame
    that is not ``silent``, since without that it would fill pauses, too."""
    if silent is not None and not silent[frames].all():
        frames = frames[~silent[frames]]
    return int(frames[0]), int(frames[-1])


def gaps_of(
    spikes: Sequence[tuple[int, int]], firsts: Sequence[int], frames: int
) -> list[tuple[float, float]]:
    """From where to where, in frames, there is before, between and after words that have characters
    none of these: from the first and last frame of each character, and which one is the first of
    each word."""
    begins = sorted({first for first, after in pairwise(firsts) if after > first})
    edges = [(spikes[first - 1][1] + 0.5, spikes[first][0] + 0.5) for first in begins[1:]]
    outer = (spikes[0][0] + 0.5, spikes[-1][1] + 0.5)
    return [
        (max(0.0, outer[0] - OUTER), outer[0]), *edges, (outer[1], min(frames, outer[1] + OUTER)),
    ]  # fmt: skip


# ---------------------------------------------------------------- spelling


def spell(word: str, characters: Mapping[str, int], romanize: Romanize) -> list[int]:
    """The columns of a word's characters, :data:`ANY` for one or more that are in no column.

    A word in a script that a network does not know is tried as ``romanize`` writes it. Empty for
    punctuation.
    """
    plain = unicodedata.normalize("NFC", word).replace("’", "'")
    spelled = list(_columns(plain, characters))
    if ANY in spelled and any(one.isalpha() for one in plain):
        latin = list(_columns(romanize(plain), characters))
        if latin and latin.count(ANY) < spelled.count(ANY):
            return latin
    return spelled


def _columns(text: str, characters: Mapping[str, int]) -> Iterator[int]:
    unknown = False
    for one in text:
        bare = unicodedata.normalize("NFKD", one)[:1]
        forms = (one, one.lower(), one.upper(), bare.lower(), bare.upper())
        if one.isalnum() or one in characters:
            column = next((characters[form] for form in forms if form in characters), ANY)
            if column != ANY or not unknown:
                yield column
            unknown = column == ANY


def _romanize(text: str) -> str:
    """A text in Latin letters, by uroman if it is installed."""
    try:
        return str(_romanizer().romanize_string(text))
    except ModuleNotFoundError:
        return text


@cache
def _romanizer() -> Any:
    """It reads its tables for a second or two."""
    from uroman import Uroman

    return Uroman()
