"""Whether a translator keeps its contract."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from dubkit.hooks import Line, Metered, Neighbour, TranslationReply, TranslationRequest
from dubkit.languages import primary
from dubkit.types import Usage

from . import samples
from .findings import (
    Findings,
    asking_nobody,
    is_number,
    is_ready,
    progress,
    shown,
    tried,
    verdict,
    watched,
)

WISHES = ("glossary", "tone", "context", "length", "markup", "fault")
MOST_THREADS = 8
SENTENCES: Mapping[str, tuple[str, ...]] = {
    "en": (
        "Good morning.", "Where is the station?", "I have been waiting for two hours.",
        "She has never been here before.", "Can you help me, please?", "Thank you very much.",
    ),
    "es": (
        "Buenos días.", "¿Dónde está la estación?", "Llevo dos horas esperando.",
        "Ella nunca ha estado aquí.", "¿Puede ayudarme, por favor?", "Muchas gracias.",
    ),
    "fr": (
        "Bonjour.", "Où est la gare ?", "J'attends depuis deux heures.",
        "Elle n'est jamais venue ici.", "Pouvez-vous m'aider ?", "Merci beaucoup.",
    ),
    "de": (
        "Guten Morgen.", "Wo ist der Bahnhof?", "Ich warte seit zwei Stunden.",
        "Sie war noch nie hier.", "Können Sie mir helfen?", "Vielen Dank.",
    ),
    "pt": (
        "Bom dia.", "Onde fica a estação?", "Estou esperando há duas horas.",
        "Ela nunca esteve aqui antes.", "Pode me ajudar, por favor?", "Muito obrigado.",
    ),
}  # fmt: skip
IDS = ("7", "line-3", "1", "b", "10", "2")
"""A translator has nothing to read into an id."""
ODD = ("Dashwood", "1984", "Ah!", "OK", "100 %")
"""What is hardly text: it may be left out, and must not be stumbled over."""


def check_translator(
    engine: Any,
    *,
    source: str = "en",
    target: str = "es",
    lines: Sequence[str] = (),
    audio: str | Path | None = None,
) -> None:
    """Have it translate ``lines`` (sentences of everyday life where none are given) together,
    alone, with all that it says it follows, and from several threads. ``audio`` is any file in
    which ``source`` is spoken, for an engine that listens."""
    lines = lines or SENTENCES.get(primary(source), ())
    if not lines:
        raise ValueError(f"there are no sentences in {source!r} here: give some, lines=[...]")
    with verdict("translators", engine) as wrong, tempfile.TemporaryDirectory() as temporary:
        if not (
            is_ready("translators", engine)
            and _fields_are_good(wrong, engine)
            and _supports(wrong, engine, source, target)
        ):
            return
        folder, sound = Path(temporary), None
        if engine.needs_audio:
            if audio is None:
                wrong.append("it has needs_audio: give the kit speech to listen to, audio=FILE")
                return
            sound = samples.write_given(audio, folder / "audio.wav", 16_000)
        told, before = progress(wrong, "prepare()"), len(wrong)
        tried(wrong, "prepare() for a source not yet known", engine.prepare, None, target, told)
        tried(wrong, "prepare()", engine.prepare, source, target, told)
        if len(wrong) == before:  # what cannot be prepared would fail at each line
            _translate_all(wrong, engine, folder, (source, target), lines, sound)


def _fields_are_good(wrong: Findings, engine: Any) -> bool:
    before, follows = len(wrong), engine.follows
    if isinstance(follows, str):
        wrong.append(f'follows is the text {follows!r}; write ("{follows}",)')
    elif unknown := [wish for wish in follows if wish not in WISHES]:
        wrong.append(f"follows has {unknown[0]!r}; known are {', '.join(WISHES)}")
    for name in ("batch", "parallel"):
        value = getattr(engine, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            wrong.append(f"{name} is {value!r}; it must be a number from 1")
    if not isinstance(engine.needs_audio, bool):
        wrong.append(f"needs_audio is {engine.needs_audio!r}; it must be True or False")
    return len(wrong) == before


def _supports(wrong: Findings, engine: Any, source: str, target: str) -> bool:
    answers = {}
    for pair in ((source, target), (None, target), ("qaa", "qab-Latn")):
        before = len(wrong)
        what = f"supports{pair}"
        answers[pair] = tried(wrong, what, engine.supports, *pair)
        if len(wrong) == before and not isinstance(answers[pair], bool):
            wrong.append(f"{what} returns {shown(answers[pair])}, not True or False")
    if answers[source, target] is False:
        wrong.append(
            f"it does not support {source!r} to {target!r}: tell the kit a direction that it "
            "has, source=... and target=..."
        )
    elif answers[None, target] is False:
        wrong.append(
            f"supports(None, {target!r}) is False, and supports{(source, target)} is True; None "
            "stands for a source that is not known yet"
        )
    return answers[source, target] is True


def _translate_all(
    wrong: Findings,
    engine: Any,
    folder: Path,
    pair: tuple[str, str],
    texts: Sequence[str],
    sound: Path | None,
) -> None:
    end = samples.seconds_of(sound) if sound else 3.0 * len(texts)
    step = end / len(texts)
    lines = tuple(
        Line(IDS[i] if i < len(IDS) else f"id-{i}", text, i * step, (i + 1) * step)
        for i, text in enumerate(texts)
    )
    odd = tuple(Line(f"odd {i}", text, 0.0, step) for i, text in enumerate(ODD))
    long = Line("long", " ".join([*texts] * 4), 0.0, end)

    most = engine.batch

    def ask(what: str, request: TranslationRequest) -> TranslationReply | None:
        what = f"translate() of {what}"
        before = len(wrong)
        reply = watched(wrong, what, folder, [], engine.translate, request)
        if reply is None and len(wrong) > before:
            return None
        return reply if _is_good(wrong, what, request, reply) else None

    def asked(*lines: Line, **more: Any) -> TranslationRequest:
        return TranslationRequest(*pair, lines, audio=sound, **more)

    if isinstance(engine, Metered):
        with asking_nobody(wrong, "estimate()"):
            usage = tried(wrong, "estimate()", engine.estimate, asked(*lines[:most]))
        _look_at_usage(wrong, "estimate()", usage)
    several = [ask("several lines", asked(*part)) for part in _batches(lines, most)]
    if any(several) and not any(reply.texts for reply in several if reply):
        said = next((reply.fault for reply in several if reply and reply.fault), "no reason given")
        wrong.append(f"translate() leaves out every one of {len(lines)} sentences ({said})")
    ask("one line", asked(lines[-1]))
    for part in _batches(odd, most):
        ask("names and numbers", asked(*part))
    ask("a very long line", asked(long))
    ask("a line with all that it follows", _with_wishes(engine, asked(lines[0])))
    with ThreadPoolExecutor(min(engine.parallel, MOST_THREADS)) as pool:
        what = f"{engine.parallel} requests at once"
        for future in [pool.submit(ask, what, asked(line)) for line in lines]:
            future.result()


def _batches(lines: Sequence[Line], most: int) -> Iterator[Sequence[Line]]:
    return (lines[i : i + most] for i in range(0, len(lines), most))


def _with_wishes(engine: Any, request: TranslationRequest) -> TranslationRequest:
    """The request with what the core sends to an engine that follows so much."""
    (line,) = request.lines

    def only(wish: str, value: Any, otherwise: Any) -> Any:
        return value if wish in engine.follows else otherwise

    return TranslationRequest(
        request.source,
        request.target,
        (
            Line(
                line.id,
                only("markup", f"<i>{line.text}</i>", line.text),
                line.start,
                line.end,
                "ANNA",
                only("length", 3 * len(line.text), None),
                only("fault", "it was left out", ""),
            ),
        ),
        before=only("context", (Neighbour("Anna!", "¡Anna!", "BERT"), Neighbour("Yes?")), ()),
        after=only("context", (Neighbour("Bye.", speaker="BERT"),), ()),
        summary=only("context", "Two people meet in the street.", ""),
        glossary=only("glossary", ((line.text.split()[0], "Dashwood"),), ()),
        tone=only("tone", "formal", ""),
        context=only("context", "A film about Anna and Bert.", ""),
        purpose="dub",
        audio=request.audio,
    )


def _is_good(wrong: Findings, what: str, request: TranslationRequest, reply: Any) -> bool:
    if not isinstance(reply, TranslationReply):
        wrong.append(f"{what} returns {shown(reply)}, not a TranslationReply")
        return False
    if not isinstance(reply.texts, Mapping):
        wrong.append(f"{what} returns texts {shown(reply.texts)}, not a dict of text by line id")
        return False
    before = len(wrong)
    ids = [line.id for line in request.lines]
    for id, text in reply.texts.items():
        if id not in ids:
            wrong.append(f"{what} invents the id {id!r}; it was asked for {', '.join(ids)}")
        if not isinstance(text, str):
            wrong.append(f"{what} returns {shown(text)} for a line, not a text")
        elif not text.strip():
            wrong.append(f"{what} returns an empty text; what it cannot do it leaves out")
        elif len(text.strip().splitlines()) > 1:
            wrong.append(f"{what} returns a text with line breaks, {shown(text)}")
    for name in ("summary", "fault", "model"):
        if not isinstance(getattr(reply, name), str):
            wrong.append(f"{what} returns {shown(getattr(reply, name))} as {name}, not a text")
    _look_at_usage(wrong, what, reply.usage)
    return len(wrong) == before


def _look_at_usage(wrong: Findings, what: str, usage: Any) -> None:
    counts = ("requests", "input_tokens", "output_tokens")
    if not isinstance(usage, Usage):
        wrong.append(f"{what} returns {shown(usage)} as usage, not a Usage")
    elif not all(is_number(getattr(usage, name)) for name in counts) or not (
        usage.cost is None or is_number(usage.cost)
    ):
        wrong.append(f"{what} returns a usage with what is no number from 0: {usage}")
