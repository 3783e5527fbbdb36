"""A subtitle on the film's own frame, as it would be burned."""

import io

import pytest
from command import AUSTEN
from media_samples import ffmpeg

from dubkit import Cue, InputError, Track, UsageError, subtitles
from dubkit.media.mux import burn
from dubkit.media.probe import probe
from dubkit.subtitles.style import parse_style
from dubkit.web import still
from dubkit.web.store import Store, Video, new_token

TRACK = Track(
    "en", (Cue(1.0, 2.0, "Never mind"), Cue(3.0, 4.0, "The longest of all the lines here"))
)


@pytest.fixture
def video(tmp_path) -> Video:
    return Store(tmp_path / "data").session(new_token()).take(AUSTEN, "talk.mp4")


def pixels(jpeg: bytes):
    numpy = pytest.importorskip("numpy")
    import av

    with av.open(io.BytesIO(jpeg)) as container:
        frame = next(container.decode(video=0))
        return numpy.asarray(frame.to_ndarray(format="rgb24"), dtype=int)


@pytest.mark.parametrize("style", ["", "color=yellow,position=top,size=90"])
def test_it_is_the_burned_frame(video, tmp_path, style):
    ass, burned, frame = (tmp_path / name for name in ("b.ass", "burned.mp4", "frame.jpg"))
    size = probe(AUSTEN).video[0]
    ass.write_text(subtitles.render(TRACK, "ass", style=parse_style(style),
                                    play_res=(size.width, size.height)))  # fmt: skip
    short = tmp_path / "short.mp4"
    ffmpeg("-i", AUSTEN, "-t", 2, "-c", "copy", short)
    burn(probe(short), ass, burned, crf=1)
    ffmpeg("-ss", "1.5", "-i", burned, "-frames:v", "1", "-update", "1", "-q:v", "2", frame)
    drawn, real = pixels(still.draw(video, TRACK, 1, style)), pixels(frame.read_bytes())
    plain = pixels(still.draw(video, Track("en", (Cue(1.0, 2.0, " "),)), 1, ""))

    def other(one, two) -> float:
        """The share of pixels that are not nearly the same."""
        return float((abs(one - two).max(axis=2) > 100).mean())

    assert drawn.shape == real.shape
    # JPEG and H.264 differ by little, a letter elsewhere by much.
    assert other(drawn, real) < other(drawn, plain) / 5
    assert not [path for path in video.folder.iterdir() if path.name.startswith(".still")]


def test_what_cannot_be_drawn(video):
    with pytest.raises(UsageError):
        still.draw(video, TRACK, 1, "font=a{b}")
    with pytest.raises(InputError):
        still.draw(video, TRACK, 9, "")
