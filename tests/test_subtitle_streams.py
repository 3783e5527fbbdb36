from __future__ import annotations

from pathlib import Path

import pytest
from media_samples import ffmpeg, sample

from dubkit import subtitles
from dubkit.errors import InputError, UsageError
from dubkit.media import subtitle_streams
from dubkit.media.probe import probe
from dubkit.types import Cue, Media, SubtitleStream, Track

CUES = (Cue(1, 2, "one\n<i>two</i>"), Cue(3.5, 5, "three & four"))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample(tmp_path_factory.mktemp("embedded") / "base.mp4")


def with_tracks(
    base: Path, out: Path, kinds: list[str], codecs: list[str], *options: object
) -> Media:
    """``base`` with a track of CUES for each kind of file, the first in German, then Spanish."""
    inputs: list[object] = ["-i", base]
    maps: list[object] = ["-map", "0"]
    for number, (kind, codec) in enumerate(zip(kinds, codecs, strict=True)):
        file = out.with_name(f"in{number}.{kind}")
        file.write_text(subtitles.render(Track("en", CUES), kind), "utf-8")
        inputs += ["-i", file]
        maps += ["-map", number + 1, f"-c:s:{number}", codec]
        maps += [f"-metadata:s:s:{number}", f"language={['deu', 'spa', 'fra'][number]}"]
    ffmpeg(*inputs, *maps, "-c:v", "copy", "-c:a", "copy", *options, out)
    return probe(out)


@pytest.mark.parametrize(
    ("name", "kind", "codec", "suffix"),
    [
        ("x.mkv", "srt", "srt", ".srt"),
        ("x.mkv", "ass", "ass", ".ass"),
        ("x.mkv", "vtt", "webvtt", ".vtt"),
        ("x.mp4", "srt", "mov_text", ".srt"),
        ("x.mov", "srt", "mov_text", ".srt"),
    ],
)
def test_a_track_comes_out_as_it_went_in(
    base: Path, tmp_path: Path, name: str, kind: str, codec: str, suffix: str
) -> None:
    media = with_tracks(base, tmp_path / name, [kind], [codec])
    stream = subtitle_streams.pick(media, "")
    assert subtitle_streams.suffix(stream) == suffix
    out = subtitle_streams.extract(media, stream, tmp_path)
    assert (out.parent, out.suffix) == (tmp_path, suffix)
    assert subtitles.read(out).cues == CUES
    named = tmp_path / "named.part"
    assert subtitle_streams.extract(media, stream, named) == named
    assert named.read_bytes() == out.read_bytes()


@pytest.mark.parametrize(
    ("name", "offset"), [("x.mkv", 1.5), ("x.mkv", 100), ("x.mkv", -0.5), ("x.nut", 100)]
)
def test_times_are_the_players(base: Path, tmp_path: Path, name: str, offset: float) -> None:
    """Of the formats whose clock may be reset, as in MPEG streams, NUT is the one with text."""
    late = ["-output_ts_offset", offset, "-avoid_negative_ts", "disabled"]
    media = with_tracks(base, tmp_path / name, ["ass"], ["ass"], *late)
    out = subtitle_streams.extract(media, subtitle_streams.pick(media, "1"), tmp_path)
    # Matroska players do not show what is before 0.
    moved = min(0.0, offset)
    for found, cue in zip(subtitles.read(out).cues, CUES, strict=True):
        assert found.start == pytest.approx(cue.start + moved, abs=0.03)
        if name != "x.nut":  # it holds no ends
            assert found.end == pytest.approx(cue.end + moved, abs=0.03)


def test_an_old_code_page_comes_out(base: Path, tmp_path: Path) -> None:
    """ffmpeg itself refuses such a track."""
    text = "1\n00:00:01,000 --> 00:00:02,000\nOù est-il allé hier ?\n"
    (tmp_path / "old.srt").write_bytes(text.encode("cp1252"))
    inputs = ["-i", base, "-i", tmp_path / "old.srt"]
    ffmpeg(*inputs, "-map", 0, "-map", 1, "-c", "copy", tmp_path / "x.mkv")
    media = probe(tmp_path / "x.mkv")
    out = subtitle_streams.extract(media, subtitle_streams.pick(media, ""), tmp_path)
    assert [cue.text for cue in subtitles.read(out).cues] == ["Où est-il allé hier ?"]


def test_a_name_that_looks_like_an_option_or_a_url(base: Path, tmp_path: Path) -> None:
    media = with_tracks(base, tmp_path / "-i it's 50%: [a].mkv", ["srt"], ["srt"])
    folder = tmp_path / "pipe:1 'ü'"
    folder.mkdir()
    out = subtitle_streams.extract(media, media.subtitles[0], folder)
    assert subtitles.read(out).cues == CUES
    assert [path.name for path in folder.iterdir()] == [out.name]


def stream(index: int, title: str = "", **flags: bool) -> SubtitleStream:
    return SubtitleStream(index, "subrip", "en", title or None, **{"default": False, **flags})


@pytest.mark.parametrize(
    ("streams", "choice", "index"),
    [
        ([stream(1, forced=True), stream(2)], "en", 2),
        ([stream(1, forced=True, default=True), stream(2, sdh=True), stream(3)], "", 3),
        ([stream(1, forced=True), stream(2, sdh=True)], "en", 2),
        ([stream(1), stream(2, sdh=True, default=True)], "en", 2),
        ([stream(1, forced=True), stream(2)], "1", 1),
        ([stream(1, forced=True)], "en", 1),
        ([stream(1, forced=True), SubtitleStream(2, "subrip", "de", None, False)], "", 1),
    ],
)
def test_forced_lines_are_not_the_text(
    streams: list[SubtitleStream], choice: str, index: int
) -> None:
    media = Media(Path("film.mkv"), "matroska,webm", 60.0, (), (), tuple(streams), ())
    assert subtitle_streams.pick(media, choice).index == index


def test_flags_and_titles_say_what_a_track_is_for(base: Path, tmp_path: Path) -> None:
    flags = ("-disposition:s:0", "forced", "-disposition:s:1", "hearing_impaired")
    media = with_tracks(base, tmp_path / "x.mkv", ["srt"] * 3, ["srt"] * 3, *flags,
                        "-metadata:s:s:2", "title=French (Forced)")  # fmt: skip
    assert [(one.forced, one.sdh) for one in media.subtitles] == [
        (True, False), (False, True), (True, False)
    ]  # fmt: skip


def test_pick(base: Path, tmp_path: Path) -> None:
    media = with_tracks(
        base, tmp_path / "x.mkv", ["srt", "ass", "srt"], ["srt", "ass", "srt"],
        "-disposition:s:0", 0, "-disposition:s:1", "default",
    )  # fmt: skip
    first, second, third = media.subtitles
    assert subtitle_streams.pick(media, "") == second
    assert subtitle_streams.pick(media, " 1 ") == first
    assert subtitle_streams.pick(media, "3") == third
    for language in ("es", "spa", "ES", "es-419"):
        assert subtitle_streams.pick(media, language) == second
    for choice in ("0", "4", "it", "9" * 5000, "²"):
        with pytest.raises(UsageError) as caught:
            subtitle_streams.pick(media, choice)
        assert "2: es, ass" in caught.value.hint
    with pytest.raises(InputError, match="no subtitle tracks"):
        subtitle_streams.pick(probe(base), "")


def track(index: int, codec: str, language: str | None, default: bool = False) -> SubtitleStream:
    return SubtitleStream(index, codec, language, None, default)


def test_pictures_are_passed_over_or_refused(base: Path, tmp_path: Path) -> None:
    pictures, text = track(2, "hdmv_pgs_subtitle", "de", True), track(3, "subrip", "de")
    both = Media(base, "matroska,webm", 6.0, (), (), (pictures, text))
    assert subtitle_streams.pick(both, "") == subtitle_streams.pick(both, "de") == text
    with pytest.raises(InputError, match="pictures") as caught:
        subtitle_streams.pick(both, "1")
    assert "OCR" in caught.value.hint
    with pytest.raises(InputError, match="pictures"):
        subtitle_streams.extract(both, pictures, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_track_that_cannot_be_read(base: Path, tmp_path: Path) -> None:
    media = Media(base, "mov,mp4,m4a,3gp,3g2,mj2", 6.0, (), (), (track(7, "mov_text", None),))
    with pytest.raises(InputError, match="track 1"):
        subtitle_streams.extract(media, media.subtitles[0], tmp_path)
    assert list(tmp_path.iterdir()) == []
