"""Distilling Whisper: each step on small real speech, with real weights."""

from __future__ import annotations

import errno
import importlib.util
import json
import math
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from command import dubkit  # noqa: E402
from faster_whisper.audio import decode_audio  # noqa: E402
from wav_samples import write  # noqa: E402

from dubkit import Cue, InputError, OutputError, PluginError, Track, UsageError, Word  # noqa: E402
from dubkit_plugins.distill import distill as whole_way  # noqa: E402
from dubkit_plugins.distill import evaluation, report, training  # noqa: E402
from dubkit_plugins.distill.devices import spread  # noqa: E402
from dubkit_plugins.distill.distill import Choices, Outcome, distill  # noqa: E402
from dubkit_plugins.distill.examples import (  # noqa: E402
    MAX_TOKENS,
    Example,
    pack,
    samples_of,
    tokenize,
    tokenize_all,
    vary,
)
from dubkit_plugins.distill.labels import (  # noqa: E402
    Label,
    Reel,
    Source,
    compare_within,
    error_rate,
    group,
    label,
)
from dubkit_plugins.distill.student import convert as convert_student  # noqa: E402
from dubkit_plugins.distill.student import (  # noqa: E402
    in_precision,
    make_student,
    spaced,
    write_student,
)
from dubkit_plugins.number_rules import number_rules  # noqa: E402
from dubkit_plugins.whisper import speech_activity  # noqa: E402
from dubkit_plugins.whisper.ct2_engine import CT2Engine  # noqa: E402
from dubkit_plugins.whisper.engine import LONGEST, Clock, Decoding, Samples  # noqa: E402
from dubkit_plugins.whisper.models import CTRANSLATE2, TRANSFORMERS, find_here  # noqa: E402
from dubkit_plugins.whisper.torch_engine import TorchEngine, load  # noqa: E402
from dubkit_plugins.whisper.torch_network import (  # noqa: E402
    Decoder,
    cache_cross_attention,
    encode,
    read_texts,
)

AUSTEN = Path(__file__).parents[2] / "examples/data/austen.mp4"
SENTENCES = (
    (0.0, 7.9, "And Mr. John Dashwood had then leisure to consider how much there might be "
     "prudently in his power to do for them."),
    (7.9, 11.58, "He was not an ill disposed young man,"),
    (11.58, 17.5, "unless to be rather cold hearted and rather selfish is to be ill disposed."),
    (17.5, 24.24, "Had he married a more amiable woman, he might have been made still more "
     "respectable than he was."),
    (24.24, 28.5, "He might even have been made amiable himself."),
)  # fmt: skip
ENGLISH = Decoding("en")
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def teacher(tiny_folder: Path) -> Path:
    return tiny_folder


@pytest.fixture(scope="module")
def sentences(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Recordings of one sentence each, with what is said beside them."""
    folder = tmp_path_factory.mktemp("archive")
    sound = decode_audio(str(AUSTEN))
    paths = []
    for number, (start, end, text) in enumerate(SENTENCES):
        path = folder / f"{number}.wav"
        write(path, sound[round(start * 16_000) : round(end * 16_000)], rate=16_000)
        path.with_suffix(".txt").write_text(text)
        paths.append(path)
    return paths


def spoken(text: str) -> Track:
    return Track("en", (Cue(0.0, 1e9, text),))


# ---------------------------------------------------------------- labels and examples


def test_errors_are_counted_in_words_without_case_and_marks():
    assert error_rate("Hello, World!", "hello world", "en") == 0
    assert error_rate("hello word", "hello world", "en") == 0.5
    assert error_rate("a b c d", "b c", "en") == 1.0
    assert error_rate("你好世界", "你好，世人", "zh") == 0.25
    assert error_rate("numero, è", "número. e", "es") == 0


@pytest.mark.parametrize(
    ("digits", "words", "language"),
    [
        ("Marque 7, o 162.", "marque siete o ciento sesenta y dos", "es"),
        ("Нажмите 21", "нажмите двадцать один", "ru"),
        ("1.000 volte", "mille volte", "it"),
        ("1,250,000 people", "one million two hundred fifty thousand people", "en"),
        ("Agent 007", "agent zero zero seven", "en"),
        ("1" * 20, "one " * 20, "en"),
        ("1" * 5000, "one " * 5000, "en"),  # more than int() takes
        ("1 000 euros", "mille euros", "fr"),
        ("1\u202f250\u202f000 euros", "un million deux cent cinquante mille euros", "fr"),
        ("0 800 123", "zéro huit cents cent vingt-trois", "fr"),  # by telephone
        ("91 555 12", "noventa y uno quinientos cincuenta y cinco doce", "es"),
        ("二十一人", "21人", "zh"),
        ("nomer 7", "nomer 7", "jw"),  # of whose numbers nothing is known
    ],
)
def test_digits_are_the_words_that_they_are_read_as(digits, words, language):
    assert error_rate(digits, words, language) == 0
    error, part = compare_within(digits, words, language)
    assert error == 0 and part.split() == words.split()


@pytest.mark.parametrize(
    ("text", "reference", "part", "language"),
    [
        ("marque siete", "Si no, marque 7 y espere.", "marque 7", "es"),
        ("mille euros", "Il a 1\u00a0000 euros.", "1000 euros.", "fr"),
        ("十二人", "有１２人在", "12人", "zh"),
    ],
)
def test_digits_of_a_reference_are_words_of_the_teacher_s(text, reference, part, language):
    assert compare_within(text, reference, language) == (0, part)


@pytest.mark.parametrize(
    ("one", "other", "language", "error"),
    [
        ("Είναι", "Ειναι", "el", 0),
        ("за́мок", "замок", "ru", 0),
        ("йод", "иод", "ru", 1),
        ("má", "mà", "vi", 1),
        ("być", "byc", "pl", 1),
        ("ќе", "ке", "mk", 1),
        ("pêche", "péché", "fr", 1),
    ],
)
def test_marks_of_stress_are_no_letters_where_they_are_no_more(one, other, language, error):
    assert error_rate(one, other, language) == error


def test_the_rules_for_numbers_are_read_once():
    assert error_rate("7, 11", "sette undici", "it") == 0
    assert number_rules("it") is number_rules("it")


def test_a_text_is_compared_with_the_part_of_a_longer_one_that_fits():
    longer = "Chapter one. It was the best of times, it was the worst of times. And so on."
    assert compare_within("it was the worst of times", longer, "en") == (
        0.0, "it was the worst of times.",
    )  # fmt: skip
    error, part = compare_within("it was a best of times", longer, "en")
    assert math.isclose(error, 1 / 6) and part == "It was the best of times,"
    assert compare_within("nothing like that", "", "en") == (math.inf, "")


@pytest.mark.parametrize("seed", range(5))
def test_a_text_within_is_found_as_by_trying_every_part(seed):
    chance = random.Random(seed)
    longer = [chance.choice("abcd") for _ in range(12)]
    text = [chance.choice("abcd") for _ in range(4)]
    found, part = compare_within(" ".join(text), " ".join(longer), "en")
    edits = [
        error_rate(" ".join(text), " ".join(longer[i:j]), "en") * (j - i)
        for i in range(12)
        for j in range(i + 1, 13)
    ]
    assert round(found * len(part.split())) == round(min(edits))


def labels(count: int, seconds: float, recording: int = 0) -> list[Label]:
    found = []
    for number in range(count):
        start = number * (seconds + 1)
        words = (Word(start + 0.5, start + 1, " One"), Word(start + 1, start + seconds, " two."))
        found.append(Label(recording, start, start + seconds, words, "One two.", 0.0))
    return found


def test_windows_are_packed_up_to_what_the_network_takes():
    found = labels(40, 6.0) + labels(40, 3.0, 1)
    examples = pack(found, 3)
    assert [one for example in examples for one in example.labels] == found
    assert all(example.seconds <= LONGEST for example in examples)
    assert max(example.seconds for example in examples) > 20
    assert {example.with_times for example in examples} == {True, False}
    assert any(example.before for example in examples)
    assert pack(found, 3) == examples != pack(found, 4)


@pytest.mark.parametrize("seed", [1, 2])
def test_variations_say_the_same_words_in_other_orders(tiny, seed):
    some = [replace(one, recording=i) for i in range(9) for one in labels(3, 6.0)]
    varied = vary(some, seed)
    assert varied == vary(some, seed) != vary(some, seed + 2)
    spoken = Counter(word.text for one in varied for label in one.labels for word in label.words)
    assert spoken == Counter(word.text for label in some for word in label.words)
    covered = sum(label.seconds for one in varied for label in one.labels)
    assert math.isclose(covered, sum(label.seconds for label in some))
    assert max(len(label.words) for one in varied for label in one.labels) == 2
    cut = any(len(label.words) == 1 for one in varied for label in one.labels)
    assert cut == bool(seed % 2)
    assert all(one.seconds <= LONGEST for one in varied)
    assert len({one.speed for one in varied}) > 1 and any(one.noise < math.inf for one in varied)


def test_a_variation_of_a_window_longer_than_any_is_as_fast_as_can_be():
    (varied,) = vary(labels(1, 33.0), 0)
    assert varied.speed == 1.1


@pytest.mark.parametrize(("minutes", "forms"), [(10, 8), (30, 4), (119, 2), (120, 1), (600, 1)])
def test_little_speech_is_learned_from_in_several_forms(minutes, forms):
    some = [one for number in range(minutes) for one in labels(10, 6.0, number)]
    varied = whole_way._varied(some, 0)
    learned_from = sum(label.seconds for one in varied for label in one.labels)
    assert math.isclose(learned_from, (forms - 1) * minutes * 60, abs_tol=1e-6)
    assert len(set(varied)) >= 0.9 * len(varied)


def test_a_faster_variation_is_shorter_and_so_are_its_times(tiny):
    sounds = {0: np.full(16_000 * 8, 8_000, np.int16)}
    plain = Example(tuple(labels(1, 6.0)), with_times=True)
    fast, noisy = replace(plain, speed=1.1), replace(plain, noise=10.0)
    assert len(samples_of(plain, sounds)) == 96_000
    assert abs(len(samples_of(fast, sounds)) - 96_000 / 1.1) < 2
    hiss = samples_of(noisy, sounds) - samples_of(plain, sounds)
    ratio = np.mean(np.square(samples_of(plain, sounds))) / np.mean(np.square(hiss))
    assert abs(10 * np.log10(ratio) - 10) < 0.1
    zero = tiny.tokenizer.token_to_id("<|notimestamps|>") + 1
    ends = []
    for one in (plain, fast):
        tokens = tokenize(one, tiny.tokenizer, None)
        ends.append(max(token - zero for token in tokens.tokens if token >= zero))
    assert ends == [round(6.0 / 0.02), round(6.0 / 1.1 / 0.02)]


def test_what_has_more_tokens_than_the_decoder_has_positions_is_divided(tiny):
    def long(words: int) -> Label:
        return Label(0, 0.0, 9.0, (Word(0.0, 9.0, " xq" * words),), "", 0.0)

    before = Example((long(150),), before="xq " * 500)
    whole = Example((long(90), long(90), long(90)))
    examples = [before, whole, Example((long(300),))]
    found = list(tokenize_all(examples, tiny.tokenizer, None))
    assert [example.labels for example, _ in found] == [
        before.labels, whole.labels[:1], whole.labels[1:],
    ]  # fmt: skip
    assert max(len(tokens.tokens) for _, tokens in found) == MAX_TOKENS
    assert all(tiny.tokenizer.id_to_token(tokens.tokens[-1]) == "<|endoftext|>"
               for _, tokens in found)  # fmt: skip


def test_tokens_say_what_the_example_says(tiny):
    (example, *_) = pack(labels(2, 6.0), 0)
    plain = tokenize(replace(example, with_times=False, before=""), tiny.tokenizer, None)
    assert tiny.tokenizer.decode(plain.tokens[plain.first :]).strip() == " ".join(
        one.text for one in example.labels
    )
    timed = tokenize(replace(example, with_times=True, before="Before."), tiny.tokenizer, None)
    names = [tiny.tokenizer.id_to_token(one) for one in timed.tokens]
    assert names[0] == "<|startofprev|>" and names[timed.first - 1] == "<|startoftranscript|>"
    zero = tiny.tokenizer.token_to_id("<|notimestamps|>") + 1
    times = [(one - zero) / 50 for one in timed.tokens[timed.first :] if one >= zero]
    assert times[:2] == [0.5, 6.0] and times == sorted(times)


def test_short_recordings_are_labelled_side_by_side(sentences, tiny, tmp_path, monkeypatch):
    counts = []
    recognize = TorchEngine.recognize

    def counted(engine, windows, *rest):
        counts.append(len(windows))
        return recognize(engine, windows, *rest)

    monkeypatch.setattr(TorchEngine, "recognize", counted)
    sources = [
        Source(number, path, track, end - start)
        for number, ((path, track), (start, end, _)) in enumerate(
            zip(recordings(sentences), SENTENCES, strict=True)
        )
    ]
    (together,) = group(sources)
    found = label(tiny, together, "en", work=tmp_path, progress=lambda *_: None)
    assert max(counts) == len(SENTENCES)
    assert [one.recording for one in found] == [0, 1, 2, 3, 4]
    for one, (start, end, text) in zip(found, SENTENCES, strict=True):
        assert 0 <= one.start < one.words[0].start < one.words[-1].end <= end - start + 0.01
        assert error_rate(one.text, text, "en") < 0.3 and one.error < 0.3


def test_voice_activity_is_detected_once_and_windows_are_whole(sentences, tmp_path, monkeypatch):
    sound = np.concatenate([np.pad(decode_audio(str(sentences[1])), (0, 24_000))] * 8)
    write(tmp_path / "pauses.wav", sound, rate=16_000)
    paths, detected = [tmp_path / "pauses.wav", sentences[4]], []
    probabilities = speech_activity.speech_probabilities

    def counted(sound):
        detected.append(len(sound))
        return probabilities(sound)

    monkeypatch.setattr(speech_activity, "speech_probabilities", counted)
    with Reel(paths) as reel:
        windows = list(reel.windows(28.0))
        assert list(reel.windows(28.0)) == windows
    assert len(detected) == 2
    assert [one.start >= reel.starts[1] for one in windows] == [False, False, True]
    assert 20.0 < max(one.end - one.start for one in windows) <= 28.0


def test_what_the_teacher_leaves_out_of_a_text_is_an_error(sentences, tiny, tmp_path):
    text = f"{SENTENCES[4][2]} Had there been a word more, it would be here."
    source = Source(0, sentences[4], spoken(text), 4.26)
    (found,) = label(tiny, [source], "en", work=tmp_path, progress=lambda *_: None)
    assert found.reference == text and found.error > 0.5


def test_recordings_with_and_without_references_are_not_labelled_together(sentences):
    def source(number: int, seconds: float, track: Track | None = None) -> Source:
        return Source(number, sentences[0], track, seconds)

    some = [source(0, 9), source(1, 9, spoken("a")), source(2, 9, spoken("b")), source(3, 9000)]
    some.append(source(4, 9))
    groups = [[one.number for one in group] for group in group(some)]
    assert groups == [[0], [1, 2], [3], [4]]


def test_what_the_student_is_chosen_by_is_not_what_it_is_tested_on():
    every = [one for number in range(40) for one in labels(3, 6.0, number)]
    split = whole_way._split(every, choices(Path()))
    parts = [{one.recording for one in some} for some in
             (split.training, split.choosing, split.testing)]  # fmt: skip
    assert [len(part) for part in parts] == [32, 3, 5]  # of 12 min a fifth, a third of it to choose
    assert sum(map(len, parts)) == len(set.union(*parts))


@pytest.mark.parametrize(
    ("minutes", "held"), [(12, 2.4), (24, 4.8), (30, 5), (120, 12), (6000, 120)]
)
def test_few_words_are_no_test_and_little_speech_is_to_be_learned_from(minutes, held):
    every = [one for number in range(minutes * 2) for one in labels(3, 10.0, number)]
    split = whole_way._split(every, choices(Path()))
    for some, wanted in ((split.choosing, held / 3), (split.testing, held * 2 / 3)):
        assert abs(sum(one.seconds for one in some) / 60 - wanted) <= 0.5


@pytest.mark.parametrize("seed", [0, 1, 51])  # the long one is fifth, sixth, first
def test_a_long_recording_is_not_held_out_for_the_last_seconds(seed):
    lengths = [450, *[30] * 19]  # of 1,020 s
    every = [one for i, seconds in enumerate(lengths) for one in labels(seconds // 15, 15.0, i)]
    split = whole_way._split(every, choices(Path(), seed=seed))
    assert sum(one.seconds for one in split.choosing + split.testing) == 210  # a fifth is 204
    assert sum(one.seconds for one in split.choosing) == 60
    assert not {one.recording for one in split.choosing} & {one.recording for one in split.testing}


def test_of_long_recordings_the_shortest_is_held_out():
    every = [one for i, count in enumerate((50, 45, 50)) for one in labels(count, 15.0, i)]
    split = whole_way._split(every, choices(Path()))
    assert {one.recording for one in split.choosing + split.testing} == {1}
    assert {one.recording for one in split.training} == {0, 2}


def test_a_student_is_tested_where_there_are_references():
    unsure = [replace(one, referenced=False) for i in range(30) for one in labels(3, 6.0, i)]
    sure = [one for number in range(30, 33) for one in labels(3, 6.0, number)]
    split = whole_way._split(unsure + sure, choices(Path()))
    assert {one.recording for one in split.choosing + split.testing} == {30, 31, 32}


def test_a_student_is_not_tested_on_what_the_teacher_wrote_wrong():
    unsure = [replace(one, referenced=False) for i in range(9) for one in labels(50, 6.0, i)]
    faulty = [replace(one, error=math.inf) for one in labels(50, 6.0, 9)]
    split = whole_way._split(unsure + faulty, choices(Path()))
    assert len(split.training) == 400
    assert len(split.choosing) + len(split.testing) == 50 and split.choosing and split.testing


def test_a_recording_that_is_most_of_the_archive_is_learned_from():
    unsure = [replace(one, referenced=False) for i in range(9) for one in labels(5, 6.0, i)]
    split = whole_way._split(unsure + labels(1000, 6.0, 9), choices(Path()))
    assert {one.recording for one in split.training} == {9}
    assert {one.recording for one in split.choosing + split.testing} == set(range(9))


def test_a_student_that_cannot_be_tested_is_not_made():
    faulty = [replace(one, error=math.inf) for i in range(1, 9) for one in labels(5, 6.0, i)]
    with pytest.raises(InputError, match="at fault in all files but 1, and a student is judged"):
        whole_way._split(labels(50, 6.0) + faulty, choices(Path()))


# ---------------------------------------------------------------- the student


def test_layers_are_taken_at_the_largest_spacing():
    assert spaced(32, 2) == [0, 31] and spaced(6, 3) == [0, 2, 5] and spaced(4, 1) == [0]


def test_whole_texts_are_read_as_token_by_token(tiny):
    mel = torch.randn(2, 80, 400)
    network = tiny.model.decoder
    with torch.inference_mode():
        states = encode(tiny.model.encoder, mel)
        tokens = torch.tensor([[50257, 50362, 400, 401, 402], [50257, 50362, 11, 12, 13]])
        both, _ = Decoder(network, cache_cross_attention(network, states), 5)(tokens)
        found = read_texts(network, states, torch.tensor([200, 200]), tokens)
        torch.testing.assert_close(found, both, atol=2e-4, rtol=1e-4)
        # The rest of a shorter window is not attended to.
        states[1, 150:] = 7.0
        short = read_texts(network, states[1:, :150], torch.tensor([150]), tokens[1:])
        found = read_texts(network, states, torch.tensor([200, 150]), tokens)
        torch.testing.assert_close(found[1:], short, atol=2e-4, rtol=1e-4)


def test_a_student_has_the_encoder_and_some_layers_of_its_teacher(tiny):
    student = make_student(tiny.model, 2)
    assert student.encoder is tiny.model.encoder
    assert len(student.decoder.layers) == student.config.decoder_layers == 2
    ours = student.decoder.layers[1].fc1.weight
    theirs = tiny.model.decoder.layers[3].fc1.weight
    assert torch.equal(ours, theirs) and ours.data_ptr() != theirs.data_ptr()


def test_a_student_learns_in_full_precision_from_a_teacher_in_half(teacher, tmp_path):
    half = load(teacher, device="cpu", dtype=torch.bfloat16)
    student = make_student(half.model, 2)
    (example, *_) = pack(labels(2, 6.0), 0)
    sound = np.random.default_rng(0).standard_normal(40_000).astype(np.float32) * 0.1
    path = tmp_path / "0.safetensors"
    training.keep_example(half.model, sound, tokenize(example, half.tokenizer, None), path)
    before = student.decoder.layers[0].fc1.weight.clone()
    looks = training.train(
        student, [path], [path], training.Schedule(2, 1, every=1),
        measure=lambda: 0.0, work=tmp_path, progress=lambda *_: None,
    )  # fmt: skip
    learned = student.decoder.layers[0].fc1.weight
    assert learned.dtype == torch.float32 and not torch.equal(learned, before)
    assert all(math.isfinite(look.loss) for look in looks)
    engine = TorchEngine(in_precision(student, torch.bfloat16), half.tokenizer)
    assert engine.recognize([sound], ENGLISH, Clock())


# ---------------------------------------------------------------- the whole way


@pytest.fixture(scope="module")
def made(
    teacher: Path, sentences: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Outcome, Path, Path]]:
    """A student that has hardly begun to learn: what came out, its folder, the work."""
    out, work = tmp_path_factory.mktemp("student"), tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "NOISE_DB", (10,))
        patch.setattr(evaluation, "EMPTY_SECONDS", 1.0)
        patch.setattr(report, "NOISE_DB", (10,))
        patch.setattr(whole_way, "MOST_VARIATIONS", 1)  # to be learned by heart soon
        with pytest.MonkeyPatch.context() as little:
            little.setattr(whole_way, "LEAST", 5.0)
            outcome = distill(recordings(sentences), choices(teacher, device="cpu, cpu"),
                              out=out, work=work, progress=lambda *_: None)  # fmt: skip
        yield outcome, out, work


def choices(teacher: Path, **changed: object) -> Choices:
    return replace(Choices(teacher, "en", steps=4, rate=1e-3, max_error=0.3, device="cpu"),
                   **changed)  # type: ignore[arg-type]  # fmt: skip


def recordings(sentences: list[Path]) -> list[tuple[Path, Track | None]]:
    return [(path, spoken(path.with_suffix(".txt").read_text())) for path in sentences]


@pytest.fixture(scope="module")
def learned(
    made: tuple[Outcome, Path, Path],
    teacher: Path,
    tiny: TorchEngine,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The folder of a student that knows some sentences by heart."""
    outcome, _, work = made
    out = tmp_path_factory.mktemp("learned")
    paths = sorted((work / "examples").iterdir())
    student = make_student(tiny.model, 2)
    looks = training.train(
        student, paths, paths, training.Schedule(20, len(paths), rate=1e-3, every=10),
        measure=lambda: 0.0, work=out, progress=lambda *_: None,
    )  # fmt: skip
    assert looks[-1].loss < looks[0].loss / 3
    card = {"languages": ["en"], "teacher": "tiny.en"}
    write_student(student, teacher, outcome.heads, out / TRANSFORMERS, card)
    convert_student(out / TRANSFORMERS, out / CTRANSLATE2)
    return out


def wrong(engine: TorchEngine, sentences: list[Path]) -> float:
    """The mean word error rate over three sentences that were learned: one was held out, and of one
    the teacher's transcript is too wrong."""
    found = engine.recognize([decode_audio(str(path)) for path in sentences], ENGLISH, Clock())
    errors = [
        min(1.0, error_rate(engine.tokenizer.decode(list(one.tokens)), right, "en"))
        for one, (_, _, right) in zip(found, SENTENCES, strict=True)
    ]
    return float(np.mean(sorted(errors)[:3]))


@pytest.mark.parametrize(
    ("text", "reference", "language"),
    [
        ("so it goes " + "on " * 200, "So it goes on.", "en"),
        ("明天见" + "吧" * 200, "明天见吧。", "zh"),
        ("就这样，" + "好的，" * 100, "就这样，好的。", "yue"),
    ],
)
def test_a_loop_is_cut_off_where_errors_are_counted(text, reference, language):
    engine = SimpleNamespace(
        tokenizer=SimpleNamespace(decode=lambda _: text),
        recognize=lambda *_: [SimpleNamespace(tokens=())],
    )
    held_out = evaluation.HeldOut((np.zeros(1600, np.float32),), (reference,), language)
    assert evaluation.measure_error(engine, held_out) == 0  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_student_learns(learned, sentences, tiny):
    student = load(learned / TRANSFORMERS, device="cpu")
    untrained = TorchEngine(make_student(tiny.model, 2), tiny.tokenizer)
    assert wrong(student, sentences) < 0.1 and wrong(untrained, sentences) > 0.4


@pytest.mark.slow
def test_a_student_is_a_model_for_both_engines(learned, sentences):
    torch_weights = find_here(str(learned), {}, packages=False)
    ct2_weights = find_here(str(learned), {}, packages=True)
    assert torch_weights and ct2_weights and torch_weights.languages == ("en",)
    assert ct2_weights.languages == ("en",)
    sound: list[Samples] = [decode_audio(str(path)) for path in sentences]
    texts, starts = [], []
    for engine in (load(torch_weights.folder or "", device="cpu"), CT2Engine(ct2_weights)):
        found = engine.recognize(sound, ENGLISH, Clock())
        texts.append([engine.tokenizer.decode(list(one.tokens)) for one in found])
        starts.append([one.times for one in found])
    # In int8 a full stop may come twice, and what it has not learned may differ.
    errors = [error_rate(*both, "en") for both in zip(*texts, strict=True)]
    assert errors.count(0) >= 3
    for (begin, end, _), times in zip(SENTENCES, starts[0], strict=True):
        assert 0 <= times[0] <= times[-1] <= end - begin + 0.1


@pytest.mark.slow
def test_a_student_drafts_for_its_teacher(learned, teacher, sentences, tiny):
    drafted = load(teacher, device="cpu", draft=learned / TRANSFORMERS)
    sound: list[Samples] = [decode_audio(str(path)) for path in sentences]
    with_draft = drafted.recognize(sound, ENGLISH, Clock())
    alone = [tiny.recognize([one], ENGLISH, Clock())[0] for one in sound]
    assert [one.tokens for one in with_draft] == [one.tokens for one in alone]
    untrained = TorchEngine(
        tiny.model, tiny.tokenizer, draft=make_student(tiny.model, 2).decoder
    )  # fmt: skip
    untrained.recognize(sound, ENGLISH, Clock())
    tokens, before = (engine.draft_tokens / engine.draft_passes for engine in (drafted, untrained))
    assert tokens > 2 * before >= 2


@pytest.mark.slow
def test_the_report_says_what_came_out(made):
    outcome, out, _ = made
    facts = json.loads((out / "report.json").read_text())
    assert [one["name"] for one in facts["scores"]] == ["teacher", "untrained student", "student"]
    assert facts["referenced"] and facts["language"] == "en"
    assert sum(facts["errors"].values()) == len(outcome.errors) >= 4
    text = (out / "report.md").read_text()
    assert f"{outcome.scores[2].error:.1%}" in text and "as a draft" in text.casefold()
    card = (out / "README.md").read_text()
    assert "\nbase_model: tiny.en\n" in card
    assert "at most 30% errors against the references" in " ".join(card.split())
    if importlib.util.find_spec("matplotlib"):
        assert (out / "noise.png").read_bytes().startswith(b"\x89PNG")


def test_the_loss_in_parts_has_the_gradients_of_the_whole(tiny, tmp_path, monkeypatch):
    (example, *_) = pack(labels(2, 6.0), 0)
    sound = np.random.default_rng(0).standard_normal(40_000).astype(np.float32) * 0.1
    path = tmp_path / "0.safetensors"
    training.keep_example(tiny.model, sound, tokenize(example, tiny.tokenizer, None), path)
    batch = training._read_batch([path], torch.device("cpu"))
    found = []
    for places in (1000, 3):
        monkeypatch.setattr(training, "PLACES", places)
        student = make_student(tiny.model, 2)
        weight = student.decoder.layers[0].fc1.weight.requires_grad_(True)
        loss = training._add_gradients(student, batch) / len(batch.targets)
        found.append((torch.tensor(loss), weight.grad / len(batch.targets)))
    # Gradients are up to 2 here; processors round 32 bits differently.
    torch.testing.assert_close(found[0], found[1], atol=3e-6, rtol=1e-3)


def test_where_memory_runs_out_parts_have_the_gradients_of_the_whole(tiny, tmp_path, monkeypatch):
    paths = [tmp_path / f"{number}.safetensors" for number in range(2)]
    for number, path in enumerate(paths):
        (example, *_) = pack(labels(2 + number, 6.0), 0)  # of unequal length
        tokens = tokenize(example, tiny.tokenizer, None)
        sound = np.random.default_rng(number).standard_normal(40_000).astype(np.float32) * 0.1
        training.keep_example(tiny.model, sound, tokens, path)
    add, found = training._add_gradients, []

    def add_one(student, batch):
        if len(batch.tokens) > 1:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate")
        return add(student, batch)

    for way, most, devices in ((add, 2, 1), (add_one, 1, 1), (add_one, 1, 2), (add, 2, 3)):
        monkeypatch.setattr(training, "_add_gradients", way)
        students = [make_student(tiny.model, 2) for _ in range(devices)]
        weight, *_ = [one.decoder.layers[0].fc1.weight.requires_grad_(True) for one in students]
        loss, micro = training._step(students, paths, 2)
        assert micro == most
        found.append((torch.tensor(loss), weight.grad))
    for one in found[1:]:
        torch.testing.assert_close(found[0], one, atol=1e-6, rtol=1e-3)


@pytest.mark.slow
def test_a_training_that_was_stopped_ends_with_the_same_student(made, tiny, tmp_path):
    paths = sorted((made[2] / "examples").iterdir())
    schedule = training.Schedule(6, 2, every=2)

    def run(name: str, stop: int = 0) -> bytes:
        def progress(_: str, done: float, __: float) -> None:
            if stop and done == stop:
                raise KeyboardInterrupt

        (tmp_path / name).mkdir(exist_ok=True)
        training.train(make_student(tiny.model, 2), paths, paths[:1], schedule,
                       measure=lambda: 0.0, work=tmp_path / name, progress=progress)  # fmt: skip
        return (tmp_path / name / training.CHECKPOINT).read_bytes()

    whole = run("whole")
    with pytest.raises(KeyboardInterrupt):
        run("parts", stop=3)  # the third step is lost
    assert (tmp_path / "parts" / training.CHECKPOINT).read_bytes() != whole
    assert run("parts") == whole


def test_pieces_are_on_whichever_device_is_free_and_come_in_their_order():
    used = []

    def work(device: str, piece: int) -> int:
        used.append(device)
        time.sleep(0.3 if piece == 0 else 0.01)
        return piece

    assert list(spread(["one", "other"], work, range(8))) == list(range(8))
    assert sorted(Counter(used).values()) == [1, 7]


@pytest.mark.slow
def test_a_student_on_two_devices_learns_as_on_one(made, tiny, tmp_path):
    paths = sorted((made[2] / "examples").iterdir())

    def run(devices: int) -> tuple[list[training.Look], list[torch.Tensor]]:
        work = tmp_path / str(devices)
        work.mkdir()
        student, *copies = [make_student(tiny.model, 2) for _ in range(devices)]
        looks = training.train(
            student, paths, paths[:1], training.Schedule(3, 2, every=1), copies=copies,
            measure=lambda: 0.0, work=work, progress=lambda *_: None,
        )  # fmt: skip
        weights = [one.decoder.layers[0].fc1.weight for one in (student, *copies)]
        assert not any(one.requires_grad for one in weights)
        return looks, weights

    (alone, (weight,)), (shared, (ours, theirs)) = run(1), run(2)
    for one, other in zip(alone, shared, strict=True):
        assert one.loss == pytest.approx(other.loss, rel=1e-4)
        assert one.held_out == pytest.approx(other.held_out, rel=1e-4)
    # A step moves a weight by 3e-4 at most, whose direction rounding can turn where it is level.
    torch.testing.assert_close(weight, ours, atol=1e-3, rtol=0)
    assert (weight - ours).abs().mean() < 1e-5
    assert not torch.equal(theirs, make_student(tiny.model, 2).decoder.layers[0].fc1.weight)


@pytest.mark.slow
def test_a_loss_that_is_no_number_ends_the_training(made, tiny, tmp_path):
    paths = sorted((made[2] / "examples").iterdir())
    wild = training.Schedule(40, 2, rate=1e30)
    with pytest.raises(PluginError, match=r"the loss is no number after step \d+ \(examples "):
        training.train(make_student(tiny.model, 2), paths, paths[:1], wild,
                       measure=lambda: 0.0, work=tmp_path, progress=lambda *_: None)  # fmt: skip


def test_the_report_says_what_it_was_tested_by():
    noise = dict.fromkeys(evaluation.NOISE_DB, 0.1)
    scores = (evaluation.Score("student", 0.1, 1.0, 1.0, 0, noise),) * 3
    drafts = (evaluation.DraftScore(1.0, 1.0, 1.0),) * 2
    outcome = Outcome("en", 600.0, 600.0, 60.0, True, False, (0.0,), (), scores, drafts, ())
    text = " ".join(report._markdown(outcome, choices(Path("tiny")), ()).split())
    assert "rates against the teacher's decoding with beam search, for want of references." in text
    assert "at most 30% errors against the references." in text


@pytest.mark.parametrize(
    ("card", "name"),
    [
        ("---\nlanguage: en\nlicense: mit\n---\n# Whisper\n", "mit"),
        ("---\nlanguage: en\n---\n# Whisper\n\nlicense: the one below\n", ""),
        ("---\nlanguage: en\n---\n# Whisper\n\nlicense: the one below\n---\n", ""),
        ("# Whisper\n", ""),
    ],
)
def test_the_license_is_in_the_fields_of_a_card(card, name, tmp_path):
    (tmp_path / "README.md").write_text(card)
    assert report._license(choices(tmp_path)) == name


@pytest.mark.slow
def test_the_card_has_the_name_and_the_license_of_a_teacher_from_the_hub(made, tmp_path):
    snapshot = tmp_path / "3f2a9c"
    snapshot.mkdir()
    (snapshot / "README.md").write_text("---\nlanguage: en\nlicense: mit\n---\n# Whisper\n")
    named = Choices(snapshot, "en", name="openai/whisper-tiny.en")
    report.write(made[0], named, tmp_path)
    card = (tmp_path / "README.md").read_text()
    assert "license: mit\nbase_model: openai/whisper-tiny.en\n" in card and "(mit)" in card
    assert "# distil-whisper-tiny.en-en" in card and "3f2a9c" not in card
    assert "3f2a9c" not in (tmp_path / "report.md").read_text()


# ---------------------------------------------------------------- what cannot be


def test_references_of_other_files_teach_nothing(teacher, sentences, tmp_path):
    wrong = [(path, spoken("Something else that nobody says here")) for path in sentences]
    with pytest.raises(InputError, match="the references say something else"):
        distill(wrong, choices(teacher), out=tmp_path, work=tmp_path, progress=lambda *_: None)


def test_little_speech_and_little_that_fits_are_warned_of(caplog):
    every = labels(60, 6.0)
    whole_way._check_amount(every, every[:20], "es", referenced=True)
    little, unfit = (record.getMessage() for record in caplog.records)
    assert "2.0 min of speech are little" in little
    assert "only 2 of 6 min" in unfit and "see that the language is es" in unfit
    with pytest.raises(InputError, match=r"only 0\.9 of 6\.0 min .*: the teacher was too unsure"):
        whole_way._check_amount(every, every[:9], "es", referenced=False)


def test_one_file_is_not_enough(teacher, sentences, tmp_path):
    with pytest.raises(InputError, match="only one file has speech"):
        distill(recordings(sentences[:1]), choices(teacher), out=tmp_path, work=tmp_path,
                progress=lambda *_: None)  # fmt: skip


def test_nobody_speaks(teacher, tmp_path):
    write(tmp_path / "a.wav", np.zeros(32_000), rate=16_000)
    with pytest.raises(InputError, match="nobody speaks"):
        distill([(tmp_path / "a.wav", None)] * 2, choices(teacher), out=tmp_path, work=tmp_path,
                progress=lambda *_: None)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("step", ["label", "keep_example", "train", "write_student"])
def test_a_full_disk_is_named_and_what_was_done_stays(
    made, teacher, sentences, tmp_path, monkeypatch, step
):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(whole_way, "LEAST", 5.0)
    monkeypatch.setattr(whole_way, step, full)
    work = made[2]
    kept = sorted(path for path in work.rglob("*") if path.is_file())
    with pytest.raises(OutputError, match="the disk is full"):
        # Another seed has other examples.
        distill(recordings(sentences), choices(teacher, seed=int(step == "keep_example")),
                out=tmp_path, work=work, progress=lambda *_: None)  # fmt: skip
    assert all(path.is_file() for path in kept)


@pytest.mark.parametrize(
    ("changed", "words"),
    [({"language": "es"}, "knows only English"), ({"layers": 4}, "not from 1 to 3")],
)
def test_what_the_teacher_cannot_do(teacher, sentences, tmp_path, changed, words):
    with pytest.raises(UsageError, match=words):
        distill(recordings(sentences), choices(teacher, **changed), out=tmp_path, work=tmp_path,
                progress=lambda *_: None)  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--max-wer", "200"], "no percentage"),
        (["--hours", "-1"], "positive"),
        (["--transcripts", "gone.tsv"], "cannot be read as transcripts"),
        (["--teacher", "./gone"], "there is no model folder"),
        (["--device", "cpu,cuda:63"], "torch cannot use the device 'cuda:63' here ("),
        (["--device", "cpux"], "torch cannot use the device 'cpux' here ("),
        (["--device", "hpu"], "torch cannot use the device 'hpu' here ("),
    ],
)
def test_the_command_refuses_in_a_sentence(sentences, tmp_path, arguments, words):
    ran = dubkit("distill", sentences[0], "--teacher", "tiny", "-o", tmp_path / "out", *arguments)
    assert ran.status in (2, 3) and words in ran.err and "Traceback" not in ran.err


def test_a_language_that_no_teacher_knows_is_refused_before_any_sound_is_read(tmp_path):
    ran = dubkit("distill", tmp_path / "gone.mp4", "--teacher", "tiny", "--language", "klingon",
                 "-o", tmp_path / "out")  # fmt: skip
    assert ran.status == 2 and "klingon" in ran.err and "gone.mp4" not in ran.err


def test_a_folder_with_other_files_is_left_alone(sentences, tmp_path):
    (tmp_path / "letter.txt").write_text("mine")
    ran = dubkit("distill", sentences[0], "--teacher", "tiny", "-o", tmp_path)
    assert ran.status == 2 and "has other files in it" in ran.err
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
