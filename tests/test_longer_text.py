"""Subtitle files that are longer than their film: nothing of them makes the film longer."""

import av
import pytest
from command import TESTS
from media_samples import AVC, beeps, ffmpeg, flashes

import dubkit
from dubkit.media.probe import probe

CUES = [
    (0.2, 0.6, "Inside."),
    (0.8, 3.5, "Over the end."),
    (1.2, 1.4, "After it."),
    (5, 6, "Far after it."),
]
STYLED = """[Script Info]

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


def srt():
    cues = (f"{k}\n{stamp(a)} --> {stamp(b)}\n{text}\n" for k, (a, b, text) in enumerate(CUES, 1))
    return "\n".join(cues)


def stamp(seconds):
    return f"00:00:{seconds:06.3f}".replace(".", ",")


def ass():
    lines = (
        f"Dialogue: 0,0:00:{a:05.2f},0:00:{b:05.2f},A,,0,0,0,,{{\\k20}}{text}\n"
        for a, b, text in CUES
    )
    return STYLED + "".join(lines)


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    ffmpeg(*flashes(0.5, seconds=1, size="64x48"), *beeps(0.5, seconds=1), *AVC, path)
    return path


@pytest.mark.parametrize(
    ("suffix", "text", "container"),
    [("srt", srt, "mp4"), ("srt", srt, "mkv"), ("ass", ass, "mkv"), ("ass", ass, "mp4")],
)
def test_the_video_stays_as_long_as_it_is(suffix, text, container, film, tmp_path):
    source, subs = tmp_path / f"film.{container}", tmp_path / f"text.{suffix}"
    ffmpeg("-i", film, "-c", "copy", source)
    subs.write_text(text())
    result = dubkit.run(source, subs_from=str(subs), language="en")
    written, video = result.outputs
    assert probe(video).duration == pytest.approx(probe(source).duration, abs=0.03)
    assert any("2 of 4 cues begin after the end" in warning for warning in result.warnings)
    assert "Far after it." in written.read_text()
    with av.open(str(video)) as container:
        shown = [bytes(p) for p in container.demux(subtitles=0) if p.size > 2]
    assert len(shown) == 2 and b"Over the end." in shown[1]


def test_what_is_after_the_end_is_not_spoken(film, tmp_path):
    subs = tmp_path / "text.srt"
    subs.write_text(srt().replace("Over the end.", "Oh."))
    hum = f"{TESTS}/data/synthesizers.py:Hum"
    result = dubkit.run(film, subs_from=str(subs), language="en", dub=True, tts=hum,
                        voice="low", verify=False, output_dir=tmp_path / "out")  # fmt: skip
    (dub,) = result.dubs
    assert [line.text for line in dub.lines] == ["Inside.", "Oh."]
    assert probe(dub.video).duration < 1.6
