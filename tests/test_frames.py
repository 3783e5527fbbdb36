"""The film's frames at their times, from any container, and its cuts."""

import numpy as np
import pytest
from media_samples import AVC, SAMPLES, ffmpeg, frames, sample

from dubkit.lipsync import frames as frames_module
from dubkit.media.probe import probe


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return sample(tmp_path_factory.mktemp("base") / "base.mp4", *AVC)


@pytest.mark.parametrize("kind", SAMPLES)
def test_wanted_spans_are_the_same_frames_with_or_without_seeking(
    kind, base, tmp_path, monkeypatch
):
    monkeypatch.setattr(frames_module, "SKIP", 0.5)
    path = SAMPLES[kind](tmp_path, base)
    film = probe(path)
    every = frames(path)
    assert [time for _, time in frames_module.decode_frames(film)] == [time for time, _ in every]
    spans = [(1.0, 1.3), (1.3, 1.5), (2.9, 3.2), (5.0, 5.1), (5.9, 99.0)]
    expected = [one for one in every if any(a <= one[0] < b for a, b in spans)]
    found = list(frames_module.decode_frames(film, spans))
    assert [time for _, time in found] == [time for time, _ in expected]
    for (frame, _), (_, luma) in zip(found, expected, strict=True):
        assert np.array_equal(frame.reformat(format="gray").to_ndarray(), luma)


def test_times_go_on_after_a_clock_reset(tmp_path):
    """Two recordings in one file, as many recorders and stream savers write them."""
    one, two = sample(tmp_path / "1.ts", *AVC, "-output_ts_offset", 500), tmp_path / "2.ts"
    sample(two, *AVC)
    both = tmp_path / "both.ts"
    both.write_bytes(one.read_bytes() + two.read_bytes())
    times = [time for _, time in frames_module.decode_frames(probe(both))]
    assert len(times) == 300
    assert np.diff(times) == pytest.approx(0.04, abs=0.001)


def test_cuts_are_found_and_motion_is_not_a_cut(tmp_path):
    path = tmp_path / "film.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=640x360:r=25:d=2", "-f", "lavfi", "-i",
           "mandelbrot=s=640x360:r=25", "-filter_complex",
           "[1]trim=0:2,setpts=PTS-STARTPTS[b];[0][b]concat", "-c:v", "libx264", path)  # fmt: skip
    scanned = list(frames_module.detect_cuts(probe(path)))
    assert [time for _, time, cut in scanned if cut] == [2.0]
    assert len(scanned) == 100
    small = scanned[0][0]
    assert max(small.width, small.height) <= frames_module.SIDE
