"""Whether what was spoken is what it should be: the verdicts, further takes, and a whole run."""

import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import real_tools
from command import AUSTEN, TESTS, called
from data.synthesizers import hummed, write
from media_samples import AVC, ffmpeg
from speech_samples import decoded

from dubkit import Cue, Track, subtitles
from dubkit.dub import measurement, quality, schedule, speak, verify
from dubkit.dub.comparison import compare
from dubkit.dub.lines import Line
from dubkit.dub.measurement import Measurement, Signals
from dubkit.dub.verify import Evidence, Verdict
from dubkit.hooks import Synthesizer
from dubkit.speech import voiceprint
from dubkit.translate.number_words import without_numbers
from dubkit.types import Voice

TEXTS = [
    "It was a fine day, and nobody was at home.",
    "We went to the river and looked at the boats.",
    "The water was cold, and the sun was behind clouds.",
    "Nobody wanted to swim, so we ate our lunch.",
    "In the evening we walked back through the forest.",
    "My sister told us a story about two old kings.",
]
SPEECH = Signals(seconds=2.8, voiced=0.7, flatness=0.05, range_db=25.0, pause=0.2, clipped=0.0)
LONGER = replace(SPEECH, seconds=3.7)
TWICE = "It was a fine day a fine day and nobody was at home."
NOISE = Signals(seconds=2.8, voiced=0.0, flatness=0.55, range_db=1.0, pause=0.0, clipped=0.0)


def line(number: int, text: str) -> Line:
    return Line(number, (number,), 4.0 * number, 4.0 * number + 3, text, "", "S1", Voice("low"))


def somebody(shift: int = 0) -> tuple[float, ...]:
    """A voice; another ``shift`` is another person."""
    return tuple(float(one) for one in np.roll(np.eye(voiceprint.SIZE)[0], shift))


def film(**changes) -> list[Verdict]:
    """Verdicts on good clips, but for what is changed of the first."""
    good = [Evidence(line(k, text), Measurement(SPEECH, somebody(), text))
            for k, text in enumerate(TEXTS, 1)]  # fmt: skip
    first = Measurement(**{"signals": SPEECH, "voice": somebody(), "read": TEXTS[0], **changes})
    return verify.judge([Evidence(line(1, TEXTS[0]), first), *good[1:]], "en")


def test_good_clips_are_not_blamed():
    assert not [one.faults for one in film() if one.faults]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"signals": NOISE, "read": ""}, "noise"),
        ({"read": ""}, "no words"),
        ({"read": "It was a fine day"}, "missing"),
        ({"read": "It was a fine day, it was a fine day, and nobody was at home."}, "more words"),
        ({"signals": LONGER, "read": TEXTS[0], "halves": TWICE}, "twice"),
        ({"signals": replace(SPEECH, repeated=0.97)}, "twice"),
        ({"read": TEXTS[1]}, "read back as"),
        ({"voice": somebody(7)}, "voice"),
    ],
)
def test_each_fault_is_found_and_nobody_else_is_blamed(change, fault):
    first, *others = film(**change)
    assert len(first.faults) == 1 and fault in first.faults[0]
    assert not [one.faults for one in others if one.faults]


def test_a_line_that_was_misread_whole_is_right_if_its_halves_are():
    assert film(read=TEXTS[1])[0].words
    assert not film(read=TEXTS[1], halves="It was a fine day and nobody was... at home.")[0].faults
    assert film(read=TEXTS[1], halves="We went to the river. And looked at boats.")[0].words
    assert not film(read="", halves="It was a fine day. And nobody was at home.")[0].faults


def test_a_brief_word_is_compared_with_other_speakers_alone():
    def judged(voice: tuple[float, ...], others: bool = True) -> bool:
        brief = Evidence(line(9, "No!"), Measurement(replace(SPEECH, seconds=0.5), voice, "No."))
        own = [Evidence(line(k, text), Measurement(SPEECH, somebody(), text))
               for k, text in enumerate(TEXTS)]  # fmt: skip
        theirs = [
            replace(one, line=replace(one.line, speaker="S2"),
                    measured=replace(one.measured, voice=somebody(5)))
            for one in own if others
        ]  # fmt: skip
        first, *rest = verify.judge([brief, *own, *theirs], "en")
        assert not [one.faults for one in rest if one.faults]
        return bool(first.voice)

    assert judged(somebody(5)) and not judged(somebody()) and not judged(somebody(9))
    assert not judged(somebody(5), others=False)


def test_what_a_recognizer_misspells_is_no_fault():
    for read in (
        "it was a fine day and nobody was at home",
        "It was a fine day and no body was at a home",
        "It was a vine day, and nobody was at Rome.",
    ):
        assert not film(read=read)[0].faults, read
    short = Evidence(line(9, "Combien ça coûte ?"),
                     Measurement(SPEECH, somebody(), "Combien ça coûtent?"))  # fmt: skip
    others = [Evidence(line(k, text), Measurement(SPEECH, somebody(), text))
              for k, text in enumerate(TEXTS)]  # fmt: skip
    assert not verify.judge([short, *others], "fr")[0].faults
    halved = "It was a fine day and nobo nobody was at home."
    assert not film(read=TEXTS[0], halves=halved)[0].faults


def test_words_that_sound_alike_are_no_others():
    text = "La guerre était finie depuis dix ans quand il est revenu."
    read = "La guerre est affinée depuis hidi s'enquante et la revenu."
    others = [Evidence(line(k, text), Measurement(SPEECH, somebody(), text))
              for k, text in enumerate(TEXTS)]  # fmt: skip
    one = Evidence(line(9, text), Measurement(SPEECH, somebody(), read))
    assert not verify.judge([one, *others], "fr")[0].faults


def test_what_only_the_recognizer_repeats_is_no_fault():
    assert not film(read=TEXTS[0], halves=TWICE)[0].faults  # no longer than is likely


def test_noise_whose_words_were_read_is_a_whisper():
    whispered = Signals(2.8, 0.02, 0.4, range_db=15.0, pause=0.2, clipped=0.0)
    assert not film(signals=whispered)[0].faults


def test_a_language_that_the_recognizer_hardly_knows_blames_nobody():
    read = [text.translate(str.maketrans("aeiousthr", "xqzyvgkpm")) for text in TEXTS]
    clips = [Evidence(line(k, text), Measurement(SPEECH, somebody(), other))
             for k, (text, other) in enumerate(zip(TEXTS, read, strict=True), 1)]  # fmt: skip
    verdicts = verify.judge(clips, "en")
    assert all(one.unread and not one.faults for one in verdicts)


def test_without_a_recognizer_noise_is_found():
    clips = [Evidence(line(k, text), Measurement(NOISE if k == 2 else SPEECH, somebody(), None))
             for k, text in enumerate(TEXTS, 1)]  # fmt: skip
    assert [bool(one.faults) for one in verify.judge(clips, "en")] == [k == 2 for k in range(1, 7)]


def test_a_word_or_two_may_be_read_as_anything():
    clips = [Evidence(line(1, "No!"), Measurement(SPEECH, (), "Now.")),
             Evidence(line(2, "Oh."), Measurement(SPEECH, (), TEXTS[2]))]  # fmt: skip
    short, long = verify.judge(clips, "en")
    assert not short.faults and long.faults


def test_who_is_imitated_is_compared_with():
    """If others of their lines are like them."""
    clips = [
        Evidence(line(k, text), Measurement(SPEECH, somebody(3 * (k == 2)), text), somebody())
        for k, text in enumerate(TEXTS[:3])
    ]
    faults = ["".join(one.faults) for one in verify.judge(clips, "en")]
    assert faults[:2] == ["", ""] and "not like" in faults[2]
    assert verify.unlike(clips) == {}
    assert verify.unlike(clips[2:]) == {"S1": 0.0}
    assert not verify.judge(clips[2:], "en")[0].faults


GOOD, NOISE_BEHIND, DISTORTED = (3.4, 3.8, 3.0), (3.4, 2.8, 2.4), (2.3, 3.5, 2.0)


def scored(*qualities: tuple[float, ...]) -> list[Evidence]:
    return [Evidence(line(k, TEXTS[k]), Measurement(SPEECH, somebody(), TEXTS[k], quality=one))
            for k, one in enumerate(qualities)]  # fmt: skip


def test_what_sounds_worse_than_the_others_is_found():
    verdicts = verify.judge(scored(GOOD, NOISE_BEHIND, GOOD, DISTORTED, GOOD, ()), "en")
    assert [one.quality for one in verdicts] == [
        (), ("there is noise in it: its quality is 2.4 of 5",), (),
        ("it is distorted: its quality is 2.0 of 5",), (), (),
    ]  # fmt: skip
    assert [one.score for one in verdicts] == [3.0, 2.4, 3.0, 2.0, 3.0, None]
    better, worse = verify.judge(scored(GOOD, (2.3, 3.5, 2.0), GOOD, (2.0, 3.0, 1.7), GOOD), "en")[
        1::2
    ]
    assert better.error < worse.error  # of two takes


def test_quality_is_a_matter_of_the_film():
    for film in ((GOOD, NOISE_BEHIND, GOOD), (NOISE_BEHIND,) * 6, ((2.5, 1.2, 1.3),) * 5):
        assert not [one.faults for one in verify.judge(scored(*film), "en") if one.faults]
    varied = scored(GOOD, (3.4, 3.0, 2.6), (3.3, 3.4, 2.8), (3.5, 4.1, 3.3), (3.4, 3.6, 3.0))
    assert not [one.faults for one in verify.judge(varied, "en") if one.faults]


def test_a_measurement_without_quality_is_read():
    kept = Measurement(SPEECH, somebody(), "words").to_json()
    assert Measurement.from_json({**kept, "quality": [1.0, 2.0, 3.0]}).quality == (1.0, 2.0, 3.0)
    del kept["quality"]
    assert Measurement.from_json(kept).quality == ()
    with pytest.raises(ValueError):
        Measurement.from_json({**kept, "quality": [1.0]})


@pytest.mark.slow
def test_the_quality_of_speech_is_scored_by_the_package_itself(monkeypatch, tmp_path):
    site = next(real_tools.environment().parent.glob("lib/python*/site-packages"))
    network = quality.__dict__["_weights"], quality.__dict__["_network"], quality.is_installed
    for one in network:
        one.cache_clear()
    monkeypatch.setattr(sys, "path", [*sys.path, str(site)])
    try:
        assert quality.is_installed()
        speech = decoded(AUSTEN)[: 4 * measurement.RATE]
        rng = np.random.default_rng(0)
        behind = rng.normal(0, float(np.sqrt(np.mean(speech**2))) / 3, len(speech))
        clear, quiet, noisy, short, silent = quality.scores(
            [speech, speech / 10, (speech + behind).astype(np.float32), speech[: measurement.RATE],
             np.zeros(measurement.RATE, np.float32)]
        )  # fmt: skip
        assert np.allclose(clear, quiet, atol=0.05)
        assert clear[2] > noisy[2] + 0.3 and clear[1] > noisy[1] + 0.6
        assert short[1] > noisy[1] and all(map(math.isfinite, silent))
    finally:
        for one in network:
            one.cache_clear()


def test_what_sounds_twice_is_no_fault_where_the_text_has_it_twice():
    for text in ("Ha ha ha, very good!", "In 2020 we went home.", "Bye, bye, my dear."):
        clip = Evidence(line(1, text), Measurement(replace(SPEECH, repeated=0.97), (), text))
        assert not verify.judge([clip], "en")[0].faults


def test_a_part_that_sounds_twice_is_found_in_the_sound():
    speech = decoded(AUSTEN)[: 6 * measurement.RATE]
    cut = [round(seconds * measurement.RATE) for seconds in (2.0, 2.9)]
    twice = np.concatenate([speech[: cut[1]], speech[cut[0] :]])
    noise = np.random.default_rng(0).normal(0, 0.003, len(twice)).astype(np.float32)
    assert measurement.signals(speech).repeated < verify.REPEATED - 0.1
    assert measurement.signals(twice).repeated > verify.REPEATED
    assert measurement.signals(0.5 * twice + noise).repeated > verify.REPEATED - 0.1
    assert measurement.signals(np.zeros(measurement.RATE, np.float32)).repeated == 0.0


def test_signals_of_speech_noise_and_a_tone():
    rng = np.random.default_rng(0)
    speech = measurement.signals(decoded(AUSTEN)[: 5 * measurement.RATE])
    # The one that breaths are known by is found alone, too.
    assert measurement.voiced_share(decoded(AUSTEN)[: 5 * measurement.RATE]) == speech.voiced
    assert measurement.voiced_share(np.zeros(9, np.float32)) == 0.0
    noise = measurement.signals(rng.normal(0, 0.1, 3 * measurement.RATE).astype(np.float32))
    tone = measurement.signals(np.sin(np.arange(3 * measurement.RATE) * 0.05).astype(np.float32))
    assert speech.voiced > 0.4 and speech.flatness < 0.1 and speech.range_db > 10
    assert noise.voiced < 0.05 and noise.flatness > 0.45
    assert tone.range_db < 1
    assert 2.9 < noise.seconds <= 3.0


@pytest.mark.parametrize(
    ("language", "digits", "words"),
    [
        ("en", "In 1995 it was 250.", "In nineteen ninety-five it was two hundred and fifty."),
        ("es", "En 1995, 3 barcos", "En mil novecientos noventa y cinco, tres barcos"),
        ("it", "nel 250", "nel duecentocinquanta"),
        ("zh", "325人", "三百二十五人"),
    ],
)
def test_numbers_are_the_same_in_digits_and_words(language, digits, words):
    assert without_numbers(digits, language) == without_numbers(words, language)
    assert compare(digits, words, language).error == 0


# ---------------------------------------------------------------- further takes


class Takes(Synthesizer):
    """Hums lower with each take; the same for each if it is ``deaf`` to seeds."""

    contract = 2

    def __init__(self, deaf: bool = False) -> None:
        self.deaf = deaf
        self.asked: list[tuple[str, int]] = []

    def voices(self, language):
        return ("low",)

    def speak(self, text, out, *, language, voice, seconds, seed):
        self.asked.append((text, seed))
        write(out, hummed(text, 200.0 if self.deaf else 200.0 - seed / speak.NEXT_TAKE))


def spoken(folder, engine, wrong, takes=3):
    """What comes of a track by an engine whose clips ``wrong(number, take)`` judges."""
    names: dict[int, list[str]] = {}

    def verdict(one: Line, path: Path) -> Verdict:
        known = names.setdefault(one.number, [])
        if path.name not in known:
            known.append(path.name)
        take = known.index(path.name)
        fault = ("it is noise, not speech",) if wrong(one.number, take) else ()
        return Verdict(fault, (), (), len(fault) + 0.1 * take)

    def judge(clips):
        return [verdict(one, clip.path) for one, clip in clips]

    job = speak.SpeechJob(
        engine, "takes", {"name": "takes"}, "en", folder, 60.0, {}, verify=judge, takes=takes
    )
    script = [line(k, text) for k, text in enumerate(TEXTS, 1)]
    return schedule.schedule(job, script, lambda *_: None)


def test_what_is_wrong_is_spoken_again_once_and_kept(tmp_path):
    engine = Takes()
    made = spoken(tmp_path / "dub", engine, lambda number, take: number == 2 and take == 0)
    assert [one.takes for one in made] == [1, 2, 1, 1, 1, 1]
    assert all(one.verified and not one.faults for one in made)
    assert engine.asked[len(TEXTS) :] == [(TEXTS[1], speak.NEXT_TAKE)]
    clips = {path.name for path in (tmp_path / "dub").glob("0002-*.wav")}
    assert len(clips) == 3  # both takes, and what is mixed
    made = spoken(tmp_path / "dub", engine, lambda number, take: number == 2 and take == 0)
    assert all(one.cached for one in made) and len(engine.asked) == len(TEXTS) + 1
    assert {path.name for path in (tmp_path / "dub").glob("0002-*.wav")} == clips


def test_the_best_of_all_takes_is_kept_and_its_fault_reported(tmp_path):
    engine = Takes()
    made = spoken(tmp_path / "dub", engine, lambda number, take: number == 2)
    assert [seed // speak.NEXT_TAKE for text, seed in engine.asked if text == TEXTS[1]] == [0, 1, 2]
    assert made[1].takes == 3 and made[1].verified is False
    assert "it is noise, not speech" in made[1].warnings
    assert len(spoken(tmp_path / "one", engine, lambda number, take: number == 2, takes=1)) == 6
    assert len(engine.asked) == 2 * len(TEXTS) + 2


def test_an_engine_that_does_not_heed_the_seed_is_asked_once_more(tmp_path):
    engine = Takes(deaf=True)
    made = spoken(tmp_path / "dub", engine, lambda number, take: number == 2)
    assert len(engine.asked) == len(TEXTS) + 1 and made[1].takes == 1


def test_further_takes_end_when_none_is_better(tmp_path):
    engine = Takes()
    made = spoken(tmp_path / "dub", engine, lambda number, take: True)
    assert len(engine.asked) == len(TEXTS) + schedule.GIVE_UP
    assert all(one.verified is False for one in made)


# ---------------------------------------------------------------- a whole run


@pytest.mark.slow
def test_a_converter_that_makes_noise_is_found_out(tmp_path):
    """The lines stay as they were spoken, which is right, and the report says why."""
    film, srt = tmp_path / "film.mp4", tmp_path / "film.en.srt"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=160x120:r=25:d=13", "-f", "lavfi", "-i",
           "sine=f=300:d=13", *AVC, film)  # fmt: skip
    cues = tuple(Cue(4.0 * k, 4.0 * k + 3.5, text) for k, text in enumerate(TEXTS[:3]))
    srt.write_text(subtitles.render(Track("en", cues), "srt"))
    job = (film, "--subs-from", srt, "--dub", "--tts", "kokoro", "--voice", "af_heart", "--convert",
           f"{TESTS}/data/voices.py:Octave", "--convert-to", "alto", "-o", "Octave.how=noise",
           "--i-have-consent", "--takes", "1", "--transcriber", "faster-whisper",
           "--model", "base")  # fmt: skip
    ran = called(*job)
    report = json.loads((tmp_path / "film.en.dub.json").read_text())
    for one in report["lines"]:
        assert one["verified"] and not one["faults"], one
        assert "its voice could not be converted (it is noise, not speech)" in one["warnings"], one
    assert "3 of 3 lines are in the synthesizer's voice" in ran.err
    assert ran.status == 8 and "nothing was converted to another voice" in ran.err, ran
    noise = (*job[:4], "-o", tmp_path / "out", "--tts", f"{TESTS}/data/synthesizers.py:Noise")
    ran = called(*noise, "--transcriber", "faster-whisper", "--model", "base")
    assert ran.status == 8 and "it is noise, not speech" in ran.err, ran
    report = json.loads((tmp_path / "out/film.en.dub.json").read_text())
    assert not any(one["verified"] for one in report["lines"])
