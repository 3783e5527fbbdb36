"""Check that a translator keeps its contract."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from dubkit.hooks import Line, Metered, Neighbor, TranslationReply, TranslationRequest
from dubkit.languages import primary
from dubkit.system.scratch import scratch_folder
from dubkit.types import Usage

from . import samples
from .findings import (
    Findings,
    abbreviate,
    attempt,
    attempt_watched,
    is_number,
    is_ready,
    progress,
    verdict,
    without_network,
)

FOLLOWS = ("glossary", "tone", "context", "length", "markup", "fault")
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
"""A translator must not interpret an id."""
ODD = ("Dashwood", "1984", "Ah!", "OK", "100 %")
"""Texts with hardly any words: they may be left out, but must not cause failures."""


def check_translator(
    engine: Any,
    *,
    source: str = "en",
    target: str = "es",
    lines: Sequence[str] = (),
    audio: str | Path | None = None,
) -> None:
    """Have it translate ``lines`` (everyday sentences if none are given) together, alone, with all
    features that it claims to follow, and from several threads. ``audio`` is any file in which
    ``source`` is spoken, for an engine that translates from speech."""
    lines = lines or SENTENCES.get(primary(source), ())
    if not lines:
        raise ValueError(f"there are no sentences in {source!r} here: give some, lines=[...]")
    with verdict("translators", engine) as wrong, scratch_folder() as folder:
        if not (
            is_ready("translators", engine)
            and _fields_are_good(wrong, engine)
            and _supports(wrong, engine, source, target)
        ):
            return
        sound = None
        if engine.needs_audio:
            if audio is None:
                wrong.append("it has needs_audio: pass speech to translate, audio=FILE")
                return
            sound = samples.write_converted(audio, folder / "audio.wav", 16_000)
        report, before = progress(wrong, "prepare()"), len(wrong)
        attempt(wrong, "prepare() for a source not yet known", engine.prepare, None, target, report)
        attempt(wrong, "prepare()", engine.prepare, source, target, report)
        if len(wrong) == before:  # otherwise every line would fail
            _translate_all(wrong, engine, folder, (source, target), lines, sound)


def _fields_are_good(wrong: Findings, engine: Any) -> bool:
    before, follows = len(wrong), engine.follows
    if isinstance(follows, str):
        wrong.append(f'follows is the text {follows!r}; write ("{follows}",)')
    elif unknown := [feature for feature in follows if feature not in FOLLOWS]:
        wrong.append(f"follows has {unknown[0]!r}; known are {', '.join(FOLLOWS)}")
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
        answers[pair] = attempt(wrong, what, engine.supports, *pair)
        if len(wrong) == before and not isinstance(answers[pair], bool):
            wrong.append(f"{what} returns {abbreviate(answers[pair])}, not True or False")
    if answers[source, target] is False:
        wrong.append(
            f"it does not support {source!r} to {target!r}: pass a direction that it does "
            "support, source=... and target=..."
        )
    elif answers[None, target] is False:
        wrong.append(
            f"supports(None, {target!r}) is False, but supports{(source, target)} is True; None "
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

    def ask(what: str, asked: TranslationRequest) -> TranslationReply | None:
        what = f"translate() of {what}"
        before = len(wrong)
        reply = attempt_watched(wrong, what, folder, [], engine.translate, asked)
        if reply is None and len(wrong) > before:
            return None
        return reply if _is_good(wrong, what, asked, reply) else None

    def request(*lines: Line, **more: Any) -> TranslationRequest:
        return TranslationRequest(*pair, lines, audio=sound, **more)

    if isinstance(engine, Metered):
        with without_network(wrong, "estimate()"):
            usage = attempt(wrong, "estimate()", engine.estimate, request(*lines[:most]))
        _check_usage(wrong, "estimate()", usage)
    several = [ask("several lines", request(*part)) for part in _batches(lines, most)]
    if any(several) and not any(reply.texts for reply in several if reply):
        faults = (reply.fault for reply in several if reply and reply.fault)
        reason = next(faults, "no reason given")
        wrong.append(f"translate() leaves out all {len(lines)} sentences ({reason})")
    ask("one line", request(lines[-1]))
    for part in _batches(odd, most):
        ask("names and numbers", request(*part))
    ask("a very long line", request(long))
    ask("a line with all that it follows", _with_features(engine, request(lines[0])))
    with ThreadPoolExecutor(min(engine.parallel, MOST_THREADS)) as pool:
        what = f"{engine.parallel} requests at once"
        for future in [pool.submit(ask, what, request(line)) for line in lines]:
            future.result()


def _batches(lines: Sequence[Line], most: int) -> Iterator[Sequence[Line]]:
    return (lines[i : i + most] for i in range(0, len(lines), most))


def _with_features(engine: Any, request: TranslationRequest) -> TranslationRequest:
    """The request with all that the core sends to an engine that follows these features."""
    (line,) = request.lines

    def only(feature: str, value: Any, otherwise: Any) -> Any:
        return value if feature in engine.follows else otherwise

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
        before=only("context", (Neighbor("Anna!", "¡Anna!", "BERT"), Neighbor("Yes?")), ()),
        after=only("context", (Neighbor("Bye.", speaker="BERT"),), ()),
        summary=only("context", "Two people meet in the street.", ""),
        glossary=only("glossary", ((line.text.split()[0], "Dashwood"),), ()),
        tone=only("tone", "formal", ""),
        context=only("context", "A film about Anna and Bert.", ""),
        purpose="dub",
        audio=request.audio,
    )


def _is_good(wrong: Findings, what: str, request: TranslationRequest, reply: Any) -> bool:
    if not isinstance(reply, TranslationReply):
        wrong.append(f"{what} returns {abbreviate(reply)}, not a TranslationReply")
        return False
    if not isinstance(reply.texts, Mapping):
        wrong.append(
            f"{what} returns texts {abbreviate(reply.texts)}, not a dict of text by line id"
        )
        return False
    before = len(wrong)
    ids = [line.id for line in request.lines]
    for id, text in reply.texts.items():
        if id not in ids:
            wrong.append(f"{what} invents the id {id!r}; it was asked for {', '.join(ids)}")
        if not isinstance(text, str):
            wrong.append(f"{what} returns {abbreviate(text)} for a line, not a text")
        elif not text.strip():
            wrong.append(
                f"{what} returns an empty text; it should leave out what it cannot translate"
            )
        elif len(text.strip().splitlines()) > 1:
            wrong.append(f"{what} returns a text with line breaks, {abbreviate(text)}")
    for name in ("summary", "fault", "model"):
        if not isinstance(getattr(reply, name), str):
            wrong.append(f"{what} returns {abbreviate(getattr(reply, name))} as {name}, not a text")
    _check_usage(wrong, what, reply.usage)
    return len(wrong) == before


def _check_usage(wrong: Findings, what: str, usage: Any) -> None:
    counts = ("requests", "input_tokens", "output_tokens")
    if not isinstance(usage, Usage):
        wrong.append(f"{what} returns {abbreviate(usage)} as usage, not a Usage")
    elif not all(is_number(getattr(usage, name)) for name in counts) or not (
        usage.cost is None or is_number(usage.cost)
    ):
        wrong.append(f"{what} returns a usage with a value that is not a number from 0: {usage}")
