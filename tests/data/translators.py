"""Small translators, used as ``--translator tests/data/translators.py:Name``.

If ``TRANSLATOR_LOG`` is set, a line is appended to that file on import and for each request.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

from dubkit import PluginError, TranslationReply, Translator, Usage, UsageError


def note(**facts: object) -> None:
    if log := os.environ.get("TRANSLATOR_LOG"):
        with Path(log).open("a") as file:
            file.write(json.dumps(facts) + "\n")


note(imported=True)

WORDS = {
    "en": "good sir then always tomorrow man perhaps also we because where woman when never small "
    "while that night was talking with them about the house",
    "es": "bueno señor entonces siempre mañana hombre quizás también nosotros porque donde mujer "
    "cuando nunca pequeño mientras aquella noche estaba hablando con ellos sobre la casa",
    "fr": "bonjour monsieur alors toujours demain homme peut-être aussi nous parce que où femme "
    "quand jamais petit pendant cette nuit il parlait avec eux de la maison",
    "ja": "そして 彼は 明日 学校に 行きます もちろん 私たちも 一緒に いつも 歩いて いました",
    "ar": "مرحبا يا سيدي ثم دائما غدا الرجل ربما أيضا نحن لأن حيث المرأة عندما أبدا صغير",
    "pt": "bom senhor então sempre amanhã homem talvez também nós porque onde mulher quando nunca "
    "pequeno enquanto aquela noite estava falando com eles sobre a casa",
}


def words(text: str, target: str) -> str:
    """Text that looks like the target language: always the same for the same text, about as long,
    with its numbers, markup and final punctuation."""
    vocabulary = WORDS[target.split("-")[0]].split()
    chosen = []
    for k, word in enumerate(text.split()):
        if any(char.isdigit() for char in word) or word.startswith(("<", "{", "http")):
            chosen.append(word)
            continue
        seed = sum(map(ord, word)) + 7 * k
        chosen.append(vocabulary[seed % len(vocabulary)])
    end = text.rstrip()[-1:] if text.rstrip()[-1:] in ".?!" else ""
    joined = ("" if target.startswith("ja") else " ").join(chosen)
    return joined[:1].upper() + joined[1:].rstrip(".?!") + end


@dataclass(frozen=True)
class Good(Translator):
    """Does everything right."""

    contract = 2

    follows = ("glossary", "tone", "context", "length", "markup", "fault")
    parallel: int = 2
    batch: int = 5
    pauses: float = 0.0
    prompt: Path | None = None

    def supports(self, source, target):
        return target.split("-")[0] in WORDS

    def prepare(self, source, target, progress):
        note(prepared=[source, target])

    def translate(self, request):
        note(
            source=request.source,
            ids=[line.id for line in request.lines],
            lines=[line.text for line in request.lines],
            faults=[line.fault for line in request.lines],
            before=[[n.text, n.translation] for n in request.before],
            after=[n.text for n in request.after],
            summary=request.summary,
            glossary=request.glossary,
            tone=request.tone,
            context=request.context,
            max_chars=[line.max_chars for line in request.lines],
        )
        time.sleep(self.pauses)
        texts = {line.id: self.answer(line.text, request.target) for line in request.lines}
        texts = {id: text + self.terms(request, id) for id, text in texts.items()}
        return TranslationReply(texts, f"so far {request.lines[-1].id}", usage=Usage(1, 10, 5, 0.5))

    def answer(self, text: str, target: str) -> str:
        return words(text, target)

    def terms(self, request, id: str) -> str:
        text = next(line.text for line in request.lines if line.id == id)
        return "".join(f" {to}" for term, to in request.glossary if term.lower() in text.lower())


@dataclass(frozen=True)
class Reworded(Good):
    """Has other words for what somebody does not like."""

    def translate(self, request):
        lines = (
            replace(line, text=f"{line.rejected} {line.text}"[:200]) if line.fault else line
            for line in request.lines
        )
        return super().translate(replace(request, lines=tuple(lines)))


@dataclass(frozen=True)
class Wordy(Good):
    """Translates at twice the length until a fault asks for a shorter text."""

    deaf: bool = False
    """Whether it ignores that fault."""

    def translate(self, request):
        reply = super().translate(request)
        long = {line.id for line in request.lines if self.deaf or "shorter" not in line.fault}
        texts = {
            id: f"{text[:-1]}, {text}" if id in long else text for id, text in reply.texts.items()
        }
        return replace(reply, texts=texts)


@dataclass(frozen=True)
class FromGerman(Good):
    """Knows no other language."""

    def supports(self, source, target):
        return source in (None, "de") and super().supports(source, target)


@dataclass(frozen=True)
class Plain(Good):
    """Follows no option, like a classic machine translation engine."""

    follows = ()
    parallel: int = 1


@dataclass(frozen=True)
class Broken(Good):
    """Fails in the way named by ``how``."""

    how: str = ""
    word: str = "fox"
    """It fails on lines that contain this."""
    cure: Path | None = None
    """It works once this file exists."""

    def prepare(self, source, target, progress):
        if self.how == "key":
            raise UsageError("the server refuses the key", "set another one")

    def translate(self, request):
        if self.cure and self.cure.exists():
            return super().translate(request)
        if self.how == "raise":
            raise RuntimeError("it fell over")
        if self.how == "unreachable":
            note(ids=[line.id for line in request.lines])
            raise PluginError("the server does not answer", "is it running?")
        if self.how == "fatal":
            raise UsageError("the key was taken back", "set another one")
        if self.how == "garbage":
            return {"1": "hola"}
        if self.how == "nothing":
            note(ids=[line.id for line in request.lines])
            return TranslationReply({}, fault="it answered in prose")
        reply = super().translate(request)
        bad = [line for line in request.lines if self.word in line.text]
        texts = dict(reply.texts)
        for line in bad:
            match self.how:
                case "leave out":
                    del texts[line.id]
                case "empty":
                    texts[line.id] = " … "
                case "copy":
                    texts[line.id] = line.text
                case "french":
                    texts[line.id] = "Je ne sais pas ce que vous voulez dire par là, monsieur."
                case "once":
                    if not line.fault:
                        texts[line.id] = line.text
                case "refuse":
                    return TranslationReply({}, fault="the server refused the text", usage=Usage(1))
        if self.how == "odd characters":
            texts = {id: f"\ud83d\x00{text}\n\x1b[2J" for id, text in texts.items()}
        if self.how == "invent":
            texts |= {"999": "De la nada.", "": "Nada."}
        return TranslationReply(texts, reply.summary, usage=reply.usage)
