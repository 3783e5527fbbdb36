"""Which language is spoken in each stretch of speech, and that each is recognized in its own."""

import json
import shutil
import wave
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tokenizers
from command import assert_refused, called
from speech_samples import AUSTEN, decoded

import dubkit
from dubkit import UsageError, Word
from dubkit.hooks import FindsLanguages
from dubkit.speech import recognition
from dubkit_plugins import packaged_models
from dubkit_plugins.whisper import languages, models, multilingual, recognize
from dubkit_plugins.whisper.decode import DecodingTask, Finding, Hypothesis, tokenizer_for
from dubkit_plugins.whisper.engine import SAMPLE_RATE, Clock, Decoded, Decoding, stretch_positions
from dubkit_plugins.whisper.faster_whisper import FasterWhisper
from dubkit_plugins.whisper.languages import Stretch, Trial, settled, spoken
from dubkit_plugins.whisper.recognize import Sound
from dubkit_plugins.whisper.speech_activity import Span
from dubkit_plugins.whisper.windows import Window

SPANISH = Path("/usr/share/asterisk/sounds/es_MX_f_Allison")
"""Debian's asterisk-core-sounds-es-wav (CC-BY-SA), 8 kHz."""
PROMPTS = ("conf-noempty", "vm-incorrect-mailbox", "conf-kicked", "agent-loginok")


def write(sound: np.ndarray, path: Path) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        file.writeframes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())


def stretch(start: float, end: float, **chances: float) -> Stretch:
    return Stretch((Span(start, end),), chances)


ENGLISH = [stretch(4.0 * i, 4.0 * i + 3.5, en=0.95, de=0.01) for i in range(3)]


def test_six_seconds_of_another_language_are_found() -> None:
    german = [stretch(20.0, 23.0, de=0.9, en=0.02), stretch(24.0, 27.0, de=0.8, en=0.03)]
    after = [stretch(30.0, 33.0, en=0.9, de=0.02)]
    codes = spoken([*ENGLISH, *german, *after], "en")
    assert codes == ["en"] * 3 + ["de"] * 2 + ["en"]
    assert spoken(german, "en") == ["de", "de"]


def test_a_name_or_a_shout_changes_nothing() -> None:
    shout = stretch(20.0, 21.0, de=0.97, en=0.001)
    assert spoken([*ENGLISH, shout], "en") == ["en"] * 4
    assert spoken([shout], "en") == ["en"]
    unsure = [stretch(20.0 + 4 * i, 23.0 + 4 * i, la=0.3, nn=0.3, en=0.2) for i in range(4)]
    assert spoken([*ENGLISH, *unsure], "en") == ["en"] * 7


def test_a_language_that_whisper_hardly_knows_is_the_main_one_or_none() -> None:
    found = {"mi": 0.6, "nl": 0.3, "en": 0.1}
    assert languages.likely(found, "en") == {"nl": 0.3, "en": 0.1}
    assert languages.likely(found, "mi") == found


def test_less_is_needed_for_a_language_that_is_spoken_elsewhere() -> None:
    short = stretch(40.0, 42.5, de=0.97, en=0.001)
    assert spoken([*ENGLISH, short], "en")[-1] == "en"
    assert spoken([*ENGLISH, short], "en", {"de"})[-1] == "de"
    long = [stretch(20.0 + 4 * i, 23.5 + 4 * i, de=0.97, en=0.001) for i in range(2)]
    assert spoken([*ENGLISH, *long, *ENGLISH, short], "en")[-1] == "de"


def test_languages_that_are_easily_confused_need_more() -> None:
    def of(code: str) -> list[Stretch]:
        return [stretch(4.0 * i, 4.0 * i + 3, **{code: 0.9, "cs": 0.03}) for i in range(2)]

    assert spoken(of("de"), "cs") == ["de", "de"]
    assert spoken(of("sk"), "cs") == ["cs", "cs"]


def test_people_seldom_change_the_language_without_a_pause() -> None:
    def after(seconds: float) -> list[Stretch]:
        return [*ENGLISH, stretch(11.5 + seconds, 15.0 + seconds, de=0.5, en=0.05)]

    assert spoken(after(0.4), "en", {"de"})[-1] == "de"
    assert spoken(after(0.0), "en", {"de"})[-1] == "en"


def test_what_is_repeated_is_no_sign_of_how_easily_speech_reads() -> None:
    def words(*pairs: tuple[str, float]) -> list[Word]:
        return [Word(k, k + 1, text, chance) for k, (text, chance) in enumerate(pairs)]

    once = words((" Akan", 0.3), (" kawal.", 0.2))
    often = [*once, *words((" Akan", 0.3), *[(" kawal.", 0.99), (" Akan", 0.99)] * 3)[1:]]
    assert languages.ease(often) < languages.ease(once) / 2 < 0
    assert languages.ease(once) == pytest.approx(np.log([0.3, 0.2]).mean())


def test_a_stretch_amid_another_language_may_be_in_a_third() -> None:
    known = ("en", "nl")
    dutch = stretch(0.0, 3.0, nl=0.8, en=0.05, de=0.1)
    found = multilingual._agreeing(dutch, "fr", "en", known)
    assert found == {"fr": 0.0, "en": 0.05, "nl": 0.8}


def test_what_reads_as_easily_as_usual_needs_no_rivals() -> None:
    both = [stretch(0.0, 2.0, es=0.5, it=0.4), stretch(3.0, 5.0, es=0.6, it=0.3)]

    def read(*chances: float) -> Hypothesis:
        spoken = [Word(3 * k + 0.5, 3 * k + 1, " uno", chance) for k, chance in enumerate(chances)]
        return Hypothesis(tuple(spoken), None, -0.1, "es")

    assert multilingual._is_easy(both, read(0.8, 0.9), -0.1)
    assert not multilingual._is_easy(both, read(0.8, 0.4), -0.1)
    assert not multilingual._is_easy(both, read(0.8), -0.1)  # nothing was read of the second
    assert not multilingual._is_easy(both, read(0.8, 0.9), None)


def test_what_was_read_well_is_kept_where_the_rest_of_its_window_is_in_another_language() -> None:
    words = tuple(Word(k + 0.1, k + 0.9, f" w{k}", 0.9) for k in range(6))
    first = Hypothesis(words, "skipped", -0.3, "en", is_doubtful=True)
    kept = multilingual._kept(first, Window(0.0, 4.0, (Span(0.0, 4.0),)))
    assert kept and kept.words == words[:4] and not kept.fault and not kept.is_doubtful
    assert not multilingual._kept(first, Window(4.0, 12.0, (Span(4.0, 12.0),)))
    assert not multilingual._kept(replace(first, fault="loop"), Window(0.0, 4.0, (Span(0.0, 4.0),)))


def test_speech_is_looked_at_in_stretches_of_a_few_seconds() -> None:
    spans = (Span(0, 0.5), Span(0.8, 1.5), Span(1.7, 2.2), Span(2.5, 3), Span(4, 4.4), Span(5, 16))
    found = languages.stretches(Window(0, 16.5, spans))
    assert [(part[0].start, part[-1].end) for part in found[:4]] == [
        (0, 2.2), (2.5, 3), (4, 4.4), (5, pytest.approx(5 + 11 / 3)),
    ]  # fmt: skip
    assert found[-1][-1].end == 16 and len(found) == 6


def test_a_window_is_cut_in_the_pause_or_where_it_is_quietest() -> None:
    rng = np.random.default_rng(0)
    samples = rng.normal(size=20 * SAMPLE_RATE).astype(np.float32)
    samples[int(12.25 * SAMPLE_RATE) : int(12.35 * SAMPLE_RATE)] *= 0.01
    found = [
        Stretch((Span(10.5, 12.0),), {}),
        Stretch((Span(12.0, 15.0),), {}),
        Stretch((Span(16.0, 19.0),), {}),
    ]
    window = Window(10.0, 20.0, (Span(10.5, 15.0), Span(16.0, 19.0)))
    parts = languages.parts(window, found, ["en", "de", "en"], samples)
    (first, _), (second, code), (third, _) = parts
    assert (first.start, third.end, code) == (10.0, 20.0, "de")
    assert first.end == second.start == pytest.approx(12.3, abs=0.06)
    assert second.end == third.start == 15.5
    assert first.speech[-1].end == first.end and second.speech[0].start == first.end
    assert languages.parts(window, found, ["en"] * 3, samples) == [(window, "en")]
    far = Window(10.0, 50.0, (Span(10.5, 12.0), Span(45.0, 49.0)))
    found = [Stretch((span,), {}) for span in far.speech]
    ends = [
        (part.start, part.end) for part, _ in languages.parts(far, found, ["en", "de"], samples)
    ]
    assert ends == [(10.0, 12.5), (44.5, 50.0)]


def test_what_reads_badly_in_the_main_language_may_be_in_another() -> None:
    unsure = [stretch(20.0 + 3 * i, 22.5 + 3 * i, en=0.3, nl=0.15) for i in range(3)]
    assert spoken([*ENGLISH, *unsure], "en", {"nl"}) == ["en"] * 6
    strained = [replace(one, strain=0.5) for one in unsure]
    assert spoken([*ENGLISH, *strained], "en", {"nl"}) == ["en"] * 3 + ["nl"] * 3


def test_what_is_tried() -> None:
    doubtful = [stretch(0.0, 4.0, pl=0.5, cs=0.3), stretch(4.0, 8.0, pl=0.4, sk=0.2, cs=0.1)]
    assert not languages.is_worth_trying(doubtful, "pl", "cs")
    assert languages.is_worth_trying([replace(doubtful[0], strain=0.1)], "pl", "cs")
    assert languages.is_worth_trying([stretch(0.0, 4.0, en=0.95)], "en", "ru")
    # Most of it may be clear, and one stretch of it dark.
    clear = [stretch(4.0 + 4 * i, 7.0 + 4 * i, it=0.95) for i in range(2)]
    assert languages.is_worth_trying([stretch(0.0, 3.5, it=0.2, fr=0.2), *clear], "it", "fr")
    assert languages.rivals(doubtful, "pl", "en", ()) == ["pl", "cs"]
    both = [stretch(0.0, 4.0, pl=0.4, ru=0.3, sk=0.15, cs=0.14)]
    assert languages.rivals(both, "pl", "en", {"cs"}) == ["pl", "cs", "ru"]
    assert languages.rivals(both, "pl", "en", {"cs"}, {"es", "en"}) == ["pl", "cs", "ru"]
    assert languages.rivals(both, "pl", "en", {"cs", "es"}, {"es"}) == ["pl", "es", "cs"]


def test_scraps_of_a_language_are_in_one_that_reads_as_well() -> None:
    clear = Trial(6.0, {"en": -1.2, "cs": -0.5, "pl": -0.8})
    scrap = Trial(5.0, {"en": -1.1, "cs": -0.55, "pl": -0.5})
    assert settled([clear, scrap], "en", ()) == ["cs", "cs"]
    assert settled([clear, scrap], "en", {"pl"}) == ["cs", "pl"]
    # Two of them that each read much more easily are both spoken.
    german = Trial(4.0, {"en": -1.0, "cs": -1.4, "de": -0.2})
    assert settled([clear, german], "en", ()) == ["cs", "de"]


@pytest.mark.parametrize(
    "main, before, other, kept",
    [
        ("cs", -0.50, -0.48, "cs"),  # acted Czech that is taken for Polish
        ("cs", -0.50, -0.20, "pl"),
        ("en", -0.20, -0.22, "pl"),  # a translation reads easily
        ("en", -0.20, -0.60, "en"),
    ],
)
def test_what_reads_no_easier_in_another_language_is_left(main, before, other, kept) -> None:
    assert settled([Trial(9.0, {main: before, "pl": other})], main, ()) == [kept]


def test_the_positions_of_a_stretch_end_in_silence() -> None:
    batches = list(stretch_positions([[(0.0, 1.0)], [], [(1.0, 4.0)]], [200, 100, 220], 300))
    ((rows, places),) = batches
    assert rows == [0, 2] and places.shape == (2, 75 + 25)
    assert places[0, :50].tolist() == list(range(50)) and min(places[0, 50:]) >= 200
    assert places[1, :75].tolist() == list(range(50, 200, 2)) and min(places[1, 75:]) >= 220
    # From all of the silence: what the encoder makes of one part of it may look like any language.
    assert {200, 299} <= set(places[0, 50:].tolist()) and {220, 299} <= set(places[1, 75:].tolist())


class Bilingual:
    """An engine for which each window of more than 6 s is German after its middle, and any sound
    that is not silent."""

    multilingual, batch_size, workers, max_seconds, on_gpu = True, 2, 1, 20.0, False

    def __init__(self, tokenizer: tokenizers.Tokenizer) -> None:
        self.tokenizer, self.calls = tokenizer, 0

    def recognize(self, windows, decoding, clock):
        self.calls += 1
        asked = decoding.stretches or [()] * len(windows)
        return [self._decode(len(one) / SAMPLE_RATE, decoding, own)
                for one, own in zip(windows, asked, strict=True)]  # fmt: skip

    def detect_language(self, windows):
        raise AssertionError("the language is given")

    def detect_languages(self, windows, stretches):
        return [({"de": 0.9, "en": 0.05} if one.any() else {"de": 0.05, "en": 0.9},)
                for one in windows]  # fmt: skip

    def _decode(self, seconds, decoding, asked):
        text = {"en": f" {seconds:.0f} in English.", "de": f" {seconds:.0f} auf Deutsch."}
        tokens = self.tokenizer.encode(text[decoding.language], add_special_tokens=False).ids
        times = np.linspace(0.0, seconds, len(tokens) + 1).tolist()
        halves = [(start + end) / seconds >= 1 for start, end in asked]
        found = [{"de": 0.97, "en": 0.01} if seconds > 6 and late else {"de": 0.01, "en": 0.97}
                 for late in halves]  # fmt: skip
        chances = (0.9,) * len(tokens)
        return Decoded(tuple(tokens), chances, tuple(times), -0.05, 0.0, (), tuple(found))


@pytest.fixture(scope="module")
def tokenizer():
    files = packaged_models.contents(models.OFFLINE)
    return tokenizers.Tokenizer.from_buffer(files["tokenizer.json"])


def test_a_stopped_run_resumes_with_the_same_languages(tokenizer, tmp_path, monkeypatch) -> None:
    sizes = (4, 16, 5, 16, 4, 4, 16, 4, 4, 4)
    samples = np.zeros(300 * SAMPLE_RATE, np.float32)
    for i, size in enumerate(sizes):
        if size > 6:
            samples[
                round((20 * i + size / 2 + 0.2) * SAMPLE_RATE) : (20 * i + size) * SAMPLE_RATE
            ] = 0.1
    write(samples, tmp_path / "sound.wav")
    found = [
        Window(20.0 * i, 20.0 * i + size, (Span(20.0 * i, 20.0 * i + size),))
        for i, size in enumerate(sizes)
    ]
    monkeypatch.setattr(Sound, "windows", lambda self, longest: iter(found))

    def run(engine, work):
        work.mkdir(exist_ok=True)
        return recognize.recognize(
            engine, Sound(tmp_path / "sound.wav", Clock()), Decoding("en"), work=work,
            progress=lambda done, total, cues: None, clock=Clock(), finding=Finding(),
        )  # fmt: skip

    whole = run(Bilingual(tokenizer), tmp_path / "whole")
    divided = [one for one in whole if 20.0 <= one.start < 36.0]
    assert [one.language for one in divided] == ["en", "de"]
    assert [one.text.split()[-1] for one in divided] == ["English.", "Deutsch."]
    assert divided[0].end == divided[1].start and divided[1].end == 36.0
    assert len(whole) == 13
    assert {line["window"][0] for line in _journal(tmp_path / "whole")} == {
        one.start for one in found
    }
    for kept in (0, 4, 7, 8):
        work = tmp_path / f"stopped {kept}"
        shutil.copytree(tmp_path / "whole", work)
        journal = work / "windows.jsonl"
        lines = journal.read_text().splitlines(keepends=True)
        journal.write_text("".join(lines[:kept]) + lines[kept][:25])
        engine = Bilingual(tokenizer)
        assert run(engine, work) == whole and engine.calls


@pytest.mark.parametrize(("fault", "again"), [("skipped", False), ("loop", True)])
def test_a_window_that_was_decoded_in_the_main_language_is_not_again(
    tokenizer, fault, again
) -> None:
    """Only a part of one reads otherwise by itself, and a loop without repeats."""
    engine = Bilingual(tokenizer)
    decoded = []

    def recognize_in(windows, decoding, clock, own=engine.recognize):
        decoded.append(decoding.language)
        return own(windows, decoding, clock)

    engine.recognize = recognize_in
    window = Window(0.0, 8.0, (Span(0.0, 8.0),))
    chances = ({"de": 0.97, "en": 0.01},) * len(languages.stretches(window))
    first = Hypothesis((), fault, -1.0, "en", chances, is_doubtful=True)
    sound = np.ones(8 * SAMPLE_RATE, np.float32)
    task = DecodingTask(engine, sound, Decoding("en"), tokenizer_for(engine, "en"), Clock())
    with ThreadPoolExecutor(1) as pool:
        (row,) = multilingual.divide(task, [window], [first], pool, ()).values()
    assert [(part, hypothesis.language) for part, hypothesis in row] == [(window, "de")]
    assert ("en" in decoded) == again


def _journal(work: Path) -> list[dict]:
    return [json.loads(line) for line in (work / "windows.jsonl").read_text().splitlines()]


# ---------------------------------------------------------------- real speech


@pytest.fixture(scope="module")
def speech() -> dict[str, np.ndarray]:
    """Some 15 s of each."""
    if not SPANISH.is_dir():
        pytest.skip("needs Debian's asterisk-core-sounds-es-wav")
    pause = np.zeros(SAMPLE_RATE // 2, np.float32)
    prompts = [part for name in PROMPTS for part in (decoded(SPANISH / f"{name}.wav"), pause)]
    return {"en": decoded(AUSTEN)[: 17 * SAMPLE_RATE], "es": np.concatenate(prompts)}


def transcribe(
    sound: np.ndarray, folder: Path, *tags: str, engine: FindsLanguages | None = None
) -> dubkit.Track:
    folder.mkdir()
    write(sound, folder / "sound.wav")
    engine = engine or FasterWhisper(model="base", threads=2)
    found = engine.transcribe_among(
        folder / "sound.wav", languages=tags, prompt="", hotwords=(), work=folder,
        progress=lambda *_, **__: None,
    )  # fmt: skip
    return found.track


@pytest.mark.slow
@pytest.mark.parametrize("order", ["en es en", "es en es"])
def test_each_language_is_recognized_in_its_own(speech, tmp_path, order) -> None:
    track = transcribe(np.concatenate([speech[one] for one in order.split()]), tmp_path / "mixed")
    main, other = order.split()[:2]
    assert track.language == main
    assert [cue.start for cue in track.cues] == sorted(cue.start for cue in track.cues)
    edges = np.cumsum([0.0, *(len(speech[one]) / SAMPLE_RATE for one in order.split())])
    for cue in track.cues:
        own = cue.language == other
        assert cue.language in (None, other)
        assert own == bool(edges[1] - 0.6 < cue.start < edges[2] - 0.6)
    texts = {True: "", False: ""}
    for cue in track.cues:
        texts[bool(cue.language)] += cue.text + " "
    english, spanish = texts[main == "es"], texts[main == "en"]
    assert "leisure to consider" in english and "conferencia" in spanish


@pytest.mark.slow
def test_a_film_in_one_language_is_what_it_was(speech, tmp_path) -> None:
    for language, sound in speech.items():
        found = transcribe(sound, tmp_path / f"found {language}")
        fixed = transcribe(sound, tmp_path / f"fixed {language}", language)
        assert found == fixed and not any(cue.language for cue in found.cues)


@pytest.mark.slow
def test_the_choice_can_be_limited(speech, tmp_path) -> None:
    both = np.concatenate([speech["en"], speech["es"]])
    track = transcribe(both, tmp_path / "limited", "en-GB", "de", "es-MX")
    assert {cue.language or track.language for cue in track.cues} == {"en-GB", "es-MX"}
    alone = transcribe(both, tmp_path / "alone", "en")
    assert alone.language == "en" and not any(cue.language for cue in alone.cues)


@pytest.mark.slow
def test_a_language_that_is_named_wrongly_is_doubted(tmp_path) -> None:
    engine = FasterWhisper(model="base", threads=2)
    for language in ("en", "en-GB", "es"):
        folder = tmp_path / language
        folder.mkdir()
        write(decoded(AUSTEN)[: 12 * SAMPLE_RATE], folder / "sound.wav")
        found = engine.transcribe_among(
            folder / "sound.wav", languages=(language,), prompt="", hotwords=(), work=folder,
            progress=lambda *_, **__: None,
        )  # fmt: skip
        doubts = [one for one in found.warnings if "sounds like en" in one]
        assert len(doubts) == (language == "es")


@pytest.mark.slow
def test_what_an_english_model_is_unsure_of_another_model_looks_at(
    speech, tiny_folder, tmp_path
) -> None:
    from dubkit_plugins.whisper.distil_whisper import DistilWhisper

    engine = DistilWhisper(model=str(tiny_folder), device="cpu")
    both = np.concatenate([speech["en"], speech["es"]])
    track = transcribe(both, tmp_path / "both", engine=engine)
    assert track.language == "en"
    assert "conferencia" in " ".join(cue.text for cue in track.cues if cue.language == "es")
    alone = transcribe(speech["en"], tmp_path / "alone", engine=engine)
    assert alone.text and not any(cue.language for cue in alone.cues)


def test_several_languages_are_named_with_commas() -> None:
    options = dubkit.Options(subs=True, language="en,de,en")
    assert options.languages == ("en", "de") and options.spoken is None
    assert dubkit.Options(subs=True, language="en").spoken == "en"
    with pytest.raises(UsageError, match="not a language tag"):
        dubkit.Options(subs=True, language="en,no language")


def test_an_engine_that_knows_of_one_at_a_time_refuses_several(tmp_path) -> None:
    class Plain:
        def transcribe(self, audio, **about):
            raise AssertionError("it is not asked")

    options = dubkit.Options(subs=True, language="en,de")
    with pytest.raises(UsageError, match="one language at a time"):
        recognition.transcribe(Plain(), "plain", Path(), options, tmp_path, lambda *_: None)


def test_a_language_that_whisper_does_not_know_is_refused_before_the_sound_is_read(talk):
    assert_refused(called(talk, "--subs", "--language", "tlh"), 2, "does not know", "'tlh'")
    assert not (talk.with_suffix(".dubkit") / "audio.wav").exists()


@pytest.mark.parametrize(
    ("languages", "model", "words"),
    [
        (["xx"], "", "does not know"),
        (["en", "xx"], "base", "does not know"),
        (["pt-BR"], "base.en", "base.en knows only English"),
        (["pt-BR", "es"], "distil-large-v3.5", "knows only English"),
    ],
)
def test_which_languages_whisper_knows(languages, model, words):
    FasterWhisper.check_languages(["pt-BR"], "base")
    FasterWhisper.check_languages(["en-GB"], "base.en")
    FasterWhisper.check_languages(["es", "en"], "base.en")  # a multilingual one is loaded beside
    FasterWhisper.check_languages([], "base.en")
    with pytest.raises(UsageError, match=words):
        FasterWhisper.check_languages(languages, model)
