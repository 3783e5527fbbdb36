import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from media_samples import (
    AVC,
    SAMPLES,
    VP8,
    beeps,
    disposition,
    ffmpeg,
    flash_onsets,
    flashes,
    frames,
    packets,
    sample,
    wav_onsets,
)
from PIL import ImageFont

from dubkit.errors import InputError, MediaError, OutputError, UsageError
from dubkit.lipsync import compose, encoding
from dubkit.media.extract import extract_audio
from dubkit.media.ffmpeg import find_ffmpeg
from dubkit.media.fonts import missing_glyphs
from dubkit.media.mux import SubtitleFile, burn, mux, subtitle_container
from dubkit.media.picture import Picture, dim
from dubkit.media.probe import pick_audio, probe

AUSTEN = Path(__file__).parent.parent / "examples/data/austen.mp4"
SRT = (
    "1\n00:00:03,000 --> 00:00:03,500\nIt is a truth\n\n2\n00:00:04,000 --> 00:00:05,000\nÜ 世界\n"
)
PQ = "setparams=color_trc=smpte2084:color_primaries=bt2020:colorspace=bt2020nc"
ASS = """[Script Info]
ScriptType: v4.00+
PlayResX: {width}
PlayResY: {height}

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, OutlineColour, Outline, Alignment, MarginV
Style: Default,DejaVu Sans,{size},&H00FFFFFF,&H00000000,1,2,10

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,{text}
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return sample(tmp_path_factory.mktemp("base") / "base.mp4", *AVC)


@pytest.fixture
def srt(tmp_path):
    path = tmp_path / "es.srt"
    path.write_text(SRT, "utf-8")
    return SubtitleFile(path, "es", "Spanish")


def ass(folder, text="Hello", width=160, height=120, size=20):
    path = folder / "burn me.ass"
    path.write_text(ASS.format(text=text, width=width, height=height, size=size), "utf-8")
    return path


def same_packets(before, after, index=lambda i: i):
    """Whether each stream of ``before`` is in ``after``, bit for bit and at the same times."""
    # Matroska counts milliseconds; and an ffmpeg that dubkit warns of moves Opus by its pre-roll.
    exact = 0.008 if find_ffmpeg().problem else 0.0011
    old, new = packets(before), packets(after)
    for number, expected in old.items():
        got = new[index(number)]
        assert [digest for _, digest in got] == [digest for _, digest in expected]
        for (was, _), (now, _) in zip(expected, got, strict=True):
            if was is not None:
                assert now == pytest.approx(was, abs=exact)
    return True


# ---------------------------------------------------------------- which container


def test_container_goes_by_what_the_file_is(base, tmp_path):
    def container(name, source=base, *options):
        path = tmp_path / name
        if source.suffix == path.suffix and not options:
            shutil.copy(source, path)
        else:
            ffmpeg("-i", source, *options, path)
        return subtitle_container(probe(path))

    copy = ("-c", "copy")
    assert container("a.mp4") == (".mp4", "")
    assert container("a.m4v", base, *copy, "-f", "mp4") == (".m4v", "")
    assert container("a.mov", base, *copy) == (".mov", "")
    assert container("a.mkv", base, *copy) == (".mkv", "")
    assert container("a.webm", base, *VP8) == (".webm", "")
    suffix, note = container("a.ts", base, *copy)
    assert suffix == ".mkv" and "written as .mkv" in note
    suffix, note = container("b.mp4", base, *copy, "-f", "matroska")
    assert suffix == ".mkv" and "really" in note
    assert container("b.webm", base, *copy, "-f", "matroska")[0] == ".mkv"
    assert container("b.mkv", base, *copy, "-f", "mp4")[0] == ".mp4"
    assert container("b.mp4", base, *copy, "-f", "mov")[0] == ".mov"


# ---------------------------------------------------------------- mux: time


@pytest.mark.parametrize("kind", SAMPLES)
def test_subtitles_stay_with_picture_and_sound(kind, tmp_path, base, srt):
    path = SAMPLES[kind](tmp_path, base)
    media = probe(path)
    suffix, _ = subtitle_container(media)
    out = tmp_path / f"out{suffix}"
    assert mux(media, [srt], out) == []

    # The cue starts at 3.0 s of the WAV; in the result it must have the same offset from it.
    extract_audio(media, pick_audio(media), tmp_path / "before.wav")
    result = probe(out)
    extract_audio(result, pick_audio(result), tmp_path / "after.wav")
    (before,), (after,) = wav_onsets(tmp_path / "before.wav"), wav_onsets(tmp_path / "after.wav")
    (subtitle,) = result.subtitles
    cues = [at for at, _ in packets(out)[subtitle.index]]
    texts = [at for at in cues if at > 0.5]  # mov_text fills the gaps with empty samples
    assert texts[0] - 3.0 == pytest.approx(after - before, abs=0.02)
    (was,), (now,) = flash_onsets(path), flash_onsets(out)
    assert now - was == pytest.approx(after - before, abs=0.02)
    # nothing was dropped or doubled
    old, new = frames(path), frames(out)
    assert len(old) == len(new)
    shift = new[0][0] - old[0][0]
    assert [t for t, _ in new] == pytest.approx([t + shift for t, _ in old], abs=0.0021)
    assert result.duration == pytest.approx(media.duration, abs=0.1)
    if suffix == path.suffix:
        assert same_packets(path, out)


def test_an_edit_list_that_cuts_the_start(tmp_path, base, srt):
    cut, out = tmp_path / "cut.mp4", tmp_path / "out.mp4"
    ffmpeg("-ss", 1.3, "-i", base, "-c", "copy", cut)
    mux(probe(cut), [srt], out)
    assert same_packets(cut, out)
    assert flash_onsets(out) == pytest.approx(flash_onsets(cut), abs=0.001)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_uneven_frame_rate(suffix, tmp_path, srt):
    uneven, out, burned = (tmp_path / f"{name}{suffix}" for name in ("in", "out", "burned"))
    jitter = "settb=1/90000,select='not(between(mod(n,7),2,3))',setpts='PTS+0.013/TB*mod(N,3)'"
    ffmpeg(
        *flashes(3), *beeps(3), "-vf", jitter, "-fps_mode", "passthrough",
        "-enc_time_base:v", "1:90000", *AVC, uneven,
    )  # fmt: skip
    times = [t for t, _ in frames(uneven)]
    assert len(set(np.diff(times).round(3))) > 2
    mux(probe(uneven), [srt], out)
    assert [t for t, _ in frames(out)] == pytest.approx(times, abs=1e-6)
    burn(probe(uneven), ass(tmp_path), burned)
    assert [t for t, _ in frames(burned)] == pytest.approx(times, abs=1e-6)


# ---------------------------------------------------------------- mux: a replaced picture


def reencoded(media, folder):
    """The film's picture as lip-sync writes it, without any redrawn mouth."""
    path = folder / "picture.mp4"
    compose.encode(media, encoding.picture_format(media), [], path, lambda *_: None)
    return path


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_replaced_picture_is_as_long_and_at_the_same_times(kind, tmp_path, base, srt):
    path = SAMPLES[kind](tmp_path, base)
    media = probe(path)
    out = tmp_path / f"out{subtitle_container(media)[0]}"
    assert mux(media, [srt], out, picture=reencoded(media, tmp_path)) == []

    extract_audio(media, pick_audio(media), tmp_path / "before.wav")
    result = probe(out)
    extract_audio(result, pick_audio(result), tmp_path / "after.wav")
    (before,), (after,) = wav_onsets(tmp_path / "before.wav"), wav_onsets(tmp_path / "after.wav")
    (was,), (now,) = flash_onsets(path), flash_onsets(out)
    assert now - was == pytest.approx(after - before, abs=0.01)
    old, new = frames(path), frames(out)
    assert len(old) == len(new) and len(result.video) == 1
    shift = new[0][0] - old[0][0]
    assert [t for t, _ in new] == pytest.approx([t + shift for t, _ in old], abs=0.0021)
    apart = [abs(a.astype(int) - b).mean() for (_, a), (_, b) in zip(old, new, strict=True)]
    assert np.mean(apart) < 1.5
    assert result.duration == pytest.approx(media.duration, abs=0.1)


def test_a_replaced_picture_keeps_tags_and_all_other_streams(base, extras, tmp_path, srt):
    film, out = tmp_path / "film.mkv", tmp_path / "out.mkv"
    ffmpeg(
        "-i", base, "-map", 0, "-map", "0:a", "-c", "copy", "-disposition:v:0", "0",
        "-metadata:s:v:0", "title=Camera", "-metadata:s:v:0", "language=fra",
        "-metadata:s:v:0", "BPS=12345",
        "-attach", extras / "cover.jpg", "-metadata:s:t:0", "mimetype=image/jpeg",
        "-metadata:s:t:0", "filename=cover.jpg", film,
    )  # fmt: skip
    media = probe(film)
    assert mux(media, [srt], out, picture=reencoded(media, tmp_path)) == []
    with av.open(str(out)) as result:
        picture = result.streams.video[0]
        assert picture.metadata["title"] == "Camera" and picture.metadata["language"] == "fra"
        assert "BPS" not in picture.metadata and not disposition(picture) & 1
        assert [s.type for s in result.streams].count("video") == 2  # with the cover
    old, new = packets(film), packets(out)
    for sound in (1, 2):
        assert [digest for _, digest in old[sound]] == [digest for _, digest in new[sound]]
    assert [digest for _, digest in old[0]] != [digest for _, digest in new[0]]


def test_a_replaced_picture_beside_a_stream_that_the_container_refuses(base, tmp_path, srt):
    path, out = tmp_path / "in.ts", tmp_path / "out.mkv"
    (tmp_path / "data.bin").write_bytes(b"telemetry " * 50)
    ffmpeg("-i", base, "-f", "data", "-i", tmp_path / "data.bin", "-map", 0, "-map", 1,
           "-c", "copy", path)  # fmt: skip
    media = probe(path)
    (warning,) = mux(media, [srt], out, picture=reencoded(media, tmp_path))
    assert warning.startswith("Data stream 2")
    assert flash_onsets(out) == pytest.approx(flash_onsets(path), abs=0.03)
    assert len(packets(out)) == 3


# ---------------------------------------------------------------- mux: all else is kept


@pytest.fixture(scope="module")
def extras(tmp_path_factory):
    folder = tmp_path_factory.mktemp("extras")
    (folder / "old.srt").write_text(SRT, "utf-8")
    (folder / "font.ttf").write_bytes(b"not really a font")
    (folder / "chapters.txt").write_text(
        ";FFMETADATA1\ntitle=Pride\nartist=Jane\ncustom=abc\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=2000\ntitle=One\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=2000\nEND=6000\ntitle=Two\n"
    )
    ffmpeg("-f", "lavfi", "-i", "color=red:s=64x64:d=0.04", "-frames:v", 1, folder / "cover.jpg")
    return folder


def test_matroska_keeps_everything(base, extras, tmp_path, srt):
    rich, out = tmp_path / "rich.mkv", tmp_path / "out.mkv"
    ffmpeg(
        "-i", base, "-i", extras / "old.srt", "-i", extras / "chapters.txt",
        "-map", "0:v", "-map", "0:a", "-map", "0:a", "-map", 1, "-map_metadata", 2,
        "-c", "copy", "-c:s", "ass",
        "-attach", extras / "cover.jpg", "-metadata:s:t:0", "mimetype=image/jpeg",
        "-metadata:s:t:0", "filename=cover.jpg",
        "-attach", extras / "font.ttf", "-metadata:s:t:1", "mimetype=font/ttf",
        "-metadata:s:a:1", "language=fre", "-metadata:s:a:1", "title=Comment",
        "-disposition:a:1", "comment", "-metadata:s:s:0", "language=ger",
        "-disposition:s:0", "default+forced", rich,
    )  # fmt: skip
    styled = SubtitleFile(ass(tmp_path), "pt-BR", "Portuguese")
    assert mux(probe(rich), [srt, styled], out) == []
    with av.open(str(rich)) as before, av.open(str(out)) as after:
        assert before.chapters() == after.chapters()
        assert {**before.metadata, "ENCODER": ""}.items() <= {
            **after.metadata,
            "ENCODER": "",
        }.items()

        def facts(stream):
            tags = {k: v for k, v in stream.metadata.items() if k not in ("DURATION", "ENCODER")}
            return stream.type, stream.time_base, tags, disposition(stream)

        old, new = ([facts(s) for s in c.streams] for c in (before, after))
        was_default = [s for s in old if s[0] == "subtitle"]
        assert [s[3] for s in was_default] == [1 | 64]
        kept = [(t, b, m, d & ~1 if t == "subtitle" else d) for t, b, m, d in old]
        added = [s for s in new if s not in kept]
        assert sorted(map(str, kept)) == sorted(str(s) for s in new if s in kept)
        assert [(s[2]["language"], s[2]["title"], s[3]) for s in added] == [
            ("spa", "Spanish", 1),
            ("por", "Portuguese [pt-BR]", 0),
        ]
        cover = [
            next(c.demux(s)) for c in (before, after) for s in c.streams if disposition(s) & 1024
        ]
        assert len(cover) == 2 and bytes(cover[0]) == bytes(cover[1])
    codecs = [s.codec for s in probe(out).subtitles]
    assert codecs == ["ass", "subrip", "ass"]
    assert same_packets(rich, out, lambda i: {4: 7, 5: 7}.get(i, i))


def test_mp4_keeps_everything(base, extras, tmp_path, srt):
    rich, out = tmp_path / "rich.mp4", tmp_path / "out.mp4"
    ffmpeg(
        "-display_rotation", 90, "-i", base, "-i", extras / "old.srt",
        "-i", extras / "chapters.txt", "-i", extras / "cover.jpg",
        "-map", "0:v", "-map", "0:a", "-map", "0:a", "-map", 1, "-map", 3, "-map_metadata", 2,
        "-c", "copy", "-c:s", "mov_text", "-disposition:v:1", "attached_pic",
        "-metadata:s:a:1", "language=fra", "-timecode", "01:00:00:00", "-write_tmcd", 1, rich,
    )  # fmt: skip
    assert mux(probe(rich), [srt], out) == []
    before, after = probe(rich), probe(out)
    assert (after.video[0].width, after.video[0].height) == (120, 160)
    assert [a.language for a in after.audio] == [None, "fr"]
    assert [(s.language, s.title, s.default) for s in after.subtitles] == [
        (None, None, False),
        ("es", "Spanish", True),
    ]
    with av.open(str(rich)) as old, av.open(str(out)) as new:
        assert [c["metadata"] for c in old.chapters()] == [c["metadata"] for c in new.chapters()]
        assert old.metadata["title"] == new.metadata["title"] == "Pride"
        assert new.streams.video[0].metadata["timecode"] == "01:00:00:00"
        assert sum(bool(disposition(s) & 1024) for s in new.streams.video) == 1
    assert before.duration == pytest.approx(after.duration, abs=0.001)
    index = out.read_bytes()
    assert index.index(b"moov") < index.index(b"mdat")


def test_quicktime_keys_and_languages(base, tmp_path):
    phone, out = tmp_path / "phone.mov", tmp_path / "out.mov"
    make = "com.apple.quicktime.make"
    ffmpeg("-i", base, "-c", "copy", "-metadata", f"{make}=Apple", "-movflags",
           "use_metadata_tags", phone)  # fmt: skip
    (tmp_path / "zh.srt").write_text(SRT, "utf-8")
    mux(probe(phone), [SubtitleFile(tmp_path / "zh.srt", "zh-Hant", "Chinese")], out)
    with av.open(str(out)) as result:
        assert result.metadata[make] == "Apple"
        assert result.metadata["major_brand"].strip() == "qt"
    (subtitle,) = probe(out).subtitles
    assert (subtitle.language, subtitle.title) == ("zh", "Chinese [zh-Hant]")


def test_the_codec_tag_of_hevc_is_kept(tmp_path, srt):
    path, out = tmp_path / "in.mp4", tmp_path / "out.mp4"
    ffmpeg(*flashes(seconds=1), "-c:v", "libx265", "-x265-params", "log-level=none", "-tag:v",
           "hvc1", "-vf", PQ, path)  # fmt: skip
    mux(probe(path), [srt], out)
    with av.open(str(out)) as result:
        context = result.streams.video[0].codec_context
        assert context.codec_tag == "hvc1" and context.color_trc == 16


def test_a_stream_that_the_container_refuses_is_named(base, tmp_path, srt):
    path, out = tmp_path / "in.ts", tmp_path / "out.mkv"
    data = tmp_path / "data.bin"
    data.write_bytes(b"telemetry " * 50)
    ffmpeg("-i", base, "-f", "data", "-i", data, "-map", 0, "-map", 1, "-c", "copy", path)
    assert len(packets(path)) == 3
    (warning,) = mux(probe(path), [srt], out)
    assert warning.startswith("Data stream 2") and "left out" in warning
    assert len(packets(out)) == 3  # picture, sound, subtitles
    (flash,) = flash_onsets(out)
    cue = packets(out)[probe(out).subtitles[0].index][0][0]
    assert cue == pytest.approx(flash, abs=0.03)


def test_the_same_input_gives_the_same_bytes(tmp_path, srt):
    for suffix in (".mp4", ".mkv"):
        source = AUSTEN
        if suffix == ".mkv":
            source = tmp_path / "in.mkv"
            ffmpeg("-i", AUSTEN, "-c", "copy", source)
        outs = [tmp_path / f"{number}{suffix}" for number in (1, 2)]
        for out in outs:
            mux(probe(source), [srt], out)
        assert outs[0].read_bytes() == outs[1].read_bytes()


def test_many_subtitles_an_empty_one_and_odd_names(base, tmp_path):
    languages = ["en", "es", "ja", "sr-Latn", "x-none"]
    files = []
    for number, language in enumerate(languages):
        path = tmp_path / f"it's: [{number}], %d;.srt"
        path.write_text(SRT if number != 2 else "", "utf-8")
        files.append(SubtitleFile(path, language, f'Number "{number}" = \' \\'))
    for suffix in (".mp4", ".mkv"):
        source, out = tmp_path / f"-in 'x' %03d{suffix}", tmp_path / f'-out: "%d"{suffix}'
        ffmpeg("-i", base, "-c", "copy", f"file:{source}")
        assert mux(probe(source), files, out) == []
        found = probe(out).subtitles
        assert [s.language for s in found] == ["en", "es", "ja", "sr", None]
        assert [s.default for s in found] == [True, False, False, False, False]
        assert found[0].title == 'Number "0" = \' \\'


def test_a_cue_long_after_the_start_costs_no_memory(tmp_path):
    """The muxer must not hold back the film while it waits for a late or finished subtitle."""
    film = tmp_path / "film.mkv"
    ffmpeg("-f", "lavfi", "-i", "color=s=320x180:r=15:d=60", "-c:v", "rawvideo", film)
    assert film.stat().st_size > 75e6
    late = tmp_path / "late.srt"
    late.write_text("1\n00:00:50,000 --> 00:00:51,000\nlate\n")
    code = (
        "import resource, sys; from pathlib import Path; from dubkit.media.probe import *\n"
        "from dubkit.media.extract import *\n"
        "from dubkit.media.mux import *\n"
        "mux(probe(Path(sys.argv[1])), [SubtitleFile(Path(sys.argv[2]), 'en', 'x')],\n"
        "    Path(sys.argv[3]))\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
    )
    argv = [sys.executable, "-c", code, film, late, tmp_path / "out.mkv"]
    done = subprocess.run(list(map(str, argv)), capture_output=True, text=True, check=True)
    assert int(done.stdout) < 160_000  # KiB; ffmpeg alone takes 60 MB


# ---------------------------------------------------------------- burn


def white(luma):
    """How many pixels of the lower half are about white."""
    return int((luma[luma.shape[0] // 2 :] > 180).sum())


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".mov"])
def test_burned_text_appears_when_it_should(suffix, base, tmp_path):
    source, out = tmp_path / f"in{suffix}", tmp_path / f"it's: [out], {suffix}"
    ffmpeg("-i", base, *(VP8 if suffix == ".webm" else ["-c", "copy"]), source)
    assert burn(probe(source), ass(tmp_path), out) == []
    before, after = frames(source), frames(out)
    assert [t for t, _ in after] == pytest.approx([t for t, _ in before], abs=0.0011)
    shown = [t for t, luma in after if t < 2.9 and white(luma) > 20]
    assert shown[0] == pytest.approx(1, abs=0.05) and shown[-1] == pytest.approx(2, abs=0.05)
    video, audio = probe(out).video[0], packets(out)[probe(out).audio[0].index]
    assert video.codec == ("vp9" if suffix == ".webm" else "h264")
    assert [d for _, d in audio] == [d for _, d in packets(source)[probe(source).audio[0].index]]


def test_burning_turned_and_odd_sized_pictures(base, tmp_path):
    turned, odd = tmp_path / "turned.mp4", tmp_path / "odd.mkv"
    ffmpeg("-display_rotation", 90, "-i", base, "-c", "copy", turned)
    ffmpeg(*flashes(3, size="161x121"), "-pix_fmt", "yuv444p10", "-c:v", "ffv1", odd)
    for source, size in ((turned, (120, 160)), (odd, (160, 120))):
        out = tmp_path / f"out{source.suffix}"
        burn(probe(source), ass(tmp_path, width=size[0], height=size[1]), out)
        found = frames(out)
        assert found[0][1].shape == size[::-1]
        assert white(next(luma for t, luma in found if t > 1.5)) > 20
        with av.open(str(out)) as container:
            depth = "yuv420p10le" if source is odd else "yuv420p"  # that of the source
            assert container.streams.video[0].codec_context.pix_fmt == depth


@pytest.mark.parametrize(("size", "sar"), [("72x58", "64/45"), ("108x80", "4/3"), ("60x80", "3/4")])
def test_letters_are_as_wide_where_pixels_are_not_square(size, sar, tmp_path):
    film, out = tmp_path / "in.mp4", tmp_path / "out.mp4"
    ffmpeg(*flashes(seconds=1.2, rate=5, size=size), "-vf", f"setsar={sar}", *AVC, film)
    shown = probe(film).video[0]
    burn(probe(film), ass(tmp_path, "MMMM", shown.width, shown.height, 20), out)
    assert probe(out).video[0].width == shown.width
    columns = np.flatnonzero((frames(out)[-1][1] > 150).any(axis=0))
    stretched = (columns[-1] - columns[0]) * shown.width / int(size.partition("x")[0])
    square = tmp_path / "square.mp4"
    even = f"{shown.width // 2 * 2}x{shown.height}"
    ffmpeg(*flashes(seconds=1.2, rate=5, size=even), *AVC, square)
    burn(probe(square), ass(tmp_path, "MMMM", shown.width, shown.height, 20), out)
    columns = np.flatnonzero((frames(out)[-1][1] > 150).any(axis=0))
    assert stretched == pytest.approx(columns[-1] - columns[0], abs=3)


def test_an_interlaced_picture_becomes_progressive_at_the_same_times(tmp_path):
    film, out = tmp_path / "in.mkv", tmp_path / "out.mkv"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x48:r=50:d=0.4", "-vf", "tinterlace=interleave_top",
           "-c:v", "mpeg2video", "-flags", "+ildct+ilme", film)  # fmt: skip
    (warning,) = burn(probe(film), ass(tmp_path), out)
    assert "interlaced" in warning
    assert [t for t, _ in frames(out)] == pytest.approx([t for t, _ in frames(film)], abs=0.0011)
    with av.open(str(out)) as container:
        assert not any(frame.interlaced_frame for frame in container.decode(video=0))


def test_attached_fonts_are_used(tmp_path, monkeypatch):
    config, film, font = tmp_path / "none.conf", tmp_path / "in.mkv", tmp_path / "font.ttf"
    config.write_text('<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig/>')
    monkeypatch.setenv("FONTCONFIG_FILE", str(config))
    font.write_bytes(ImageFont.load_default(12).path.getvalue())
    attach = ["-attach", font, "-metadata:s:t", "mimetype=application/x-truetype-font"]
    ffmpeg(*flashes(seconds=1.2), *attach, *AVC, film)
    assert burn(probe(film), ass(tmp_path, r"{\fnAileron}Hello"), tmp_path / "out.mkv") == []
    assert white(frames(tmp_path / "out.mkv")[-1][1]) > 20
    (warning,) = burn(probe(film), ass(tmp_path, r"{\fnAileron}世"), tmp_path / "out.mkv")
    assert "世" in warning


HDR = "-c:v libx265 -x265-params log-level=none -pix_fmt yuv420p10le -vf".split()


@pytest.mark.parametrize(("trc", "level"), [("smpte2084", 0.58), ("arib-std-b67", 0.75)])
def test_text_on_hdr_is_as_bright_as_white_paper(trc, level, tmp_path):
    film, out = tmp_path / "in.mp4", tmp_path / "out.mp4"
    ffmpeg(*flashes(seconds=1.2, rate=5), *HDR, PQ.replace("smpte2084", trc), film)
    assert burn(probe(film), ass(tmp_path, size=60), out) == []
    assert frames(out)[-1][1].max() == pytest.approx(255 * level, abs=6)


def test_colors_of_text_are_dimmed_wherever_they_stand():
    pq = Picture(2, 2, "1:25", 10, interlaced=False, transfer=16, dynamic=False)
    styles = "Style: A,Arial,20,&H00FFFFFF,&H000000FF,16777215,&H80000000,-1,0"
    text = r"Dialogue: 0,0,0,A,,0,0,0,,{\1c&HFFFFFF&\alpha&HFF&\c&H00FF00}x"
    assert dim(f"{styles}\n{text}", pq) == (
        "Style: A,Arial,20,&H00949494,&H00000094,&H00949494,&H80000000,-1,0\n"
        r"Dialogue: 0,0,0,A,,0,0,0,,{\1c&H00949494&\alpha&HFF&\c&H00009400&}x"
    )
    assert dim(styles, replace(pq, transfer=1)) == styles


def test_hdr_stays_hdr(tmp_path):
    source, out = tmp_path / "in.mp4", tmp_path / "out.mp4"
    ffmpeg(*flashes(seconds=0.4), *HDR, PQ, source)
    assert burn(probe(source), ass(tmp_path), out) == []
    with av.open(str(out)) as container:
        context = container.streams.video[0].codec_context
        assert (context.codec_tag, context.pix_fmt, context.color_trc) == (
            "hvc1",
            "yuv420p10le",
            16,
        )


def test_crf_is_used(tmp_path):
    source, sizes = tmp_path / "in.mkv", []
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=320x240:d=1", source)
    for crf in (10, 40):
        out = tmp_path / f"{crf}.mp4"
        burn(probe(source), ass(tmp_path), out, crf=crf)
        sizes.append(out.stat().st_size)
    assert sizes[0] > 1.5 * sizes[1]


def test_characters_that_no_font_has():
    assert missing_glyphs("plain ASCII {\\i1}and\\N codes\n") == set()
    assert missing_glyphs("é ñ ß\N{ZERO WIDTH JOINER}\N{VARIATION SELECTOR-16}") == set()
    linear_a = {chr(code) for code in range(0x10600, 0x10600 + 120)}
    assert missing_glyphs("a" + "".join(linear_a)) == linear_a


def test_burning_names_characters_that_no_font_has(base, tmp_path, monkeypatch):
    (warning,) = burn(probe(base), ass(tmp_path, "\U00010600 \ue000"), tmp_path / "out.mp4")
    assert "U+E000" in warning and "\U00010600" in warning and "Install" in warning


def test_burning_on_a_machine_without_fonts(base, tmp_path, monkeypatch):
    (tmp_path / "fonts").mkdir()
    config = tmp_path / "fonts.conf"
    config.write_text(
        '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>'
        f"<dir>{tmp_path / 'fonts'}</dir><cachedir>{tmp_path / 'cache'}</cachedir></fontconfig>"
    )
    monkeypatch.setenv("FONTCONFIG_FILE", str(config))
    assert missing_glyphs("Hello 世") == set("Helo世")
    (warning,) = burn(probe(base), ass(tmp_path, "世界"), tmp_path / "out.mp4")
    assert "世 界" in warning and "fonts-noto-cjk" in warning


# ---------------------------------------------------------------- failing


def test_output_is_replaced_only_when_done(base, tmp_path, srt):
    out = tmp_path / "out.mp4"
    out.write_text("what was there before")

    def stop(seconds):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mux(probe(base), [srt], out, progress=stop)
    assert out.read_text() == "what was there before"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["es.srt", "out.mp4"]


def test_interrupt_while_burning_stops_ffmpeg(tmp_path):
    code = (
        "import sys; from pathlib import Path; from dubkit.media.probe import *\n"
        "from dubkit.media.extract import *\n"
        "from dubkit.media.mux import *\n"
        "say = lambda seconds: print('going', flush=True)\n"
        "burn(probe(Path(sys.argv[1])), Path(sys.argv[2]), Path(sys.argv[3]), progress=say)\n"
    )
    film = tmp_path / "film.mkv"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=1280x720:d=1", "-c:v", "mpeg4", tmp_path / "1.mkv")
    ffmpeg("-stream_loop", 60, "-i", tmp_path / "1.mkv", "-c", "copy", film)
    argv = [sys.executable, "-c", code, film, ass(tmp_path), tmp_path / "out.mkv"]
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout and child.stdout.readline() == "going\n"
    child.send_signal(signal.SIGINT)
    started = time.monotonic()
    _, errors = child.communicate(timeout=20)
    assert time.monotonic() - started < 5 and "KeyboardInterrupt" in errors
    assert sorted(p.name for p in tmp_path.iterdir()) == ["1.mkv", "burn me.ass", "film.mkv"]


def test_a_failing_progress_stops_ffmpeg_at_once(tmp_path):
    film = tmp_path / "film.mkv"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=1280x720:d=1", "-c:v", "mpeg4", tmp_path / "1.mkv")
    ffmpeg("-stream_loop", 90, "-i", tmp_path / "1.mkv", "-c", "copy", film)

    def fail(seconds):
        raise ZeroDivisionError

    started = time.monotonic()
    with pytest.raises(ZeroDivisionError):
        burn(probe(film), ass(tmp_path), tmp_path / "out.mkv", progress=fail)
    assert time.monotonic() - started < 10
    assert not (tmp_path / "out.mkv").exists()


def test_the_picture_is_never_left_out(base, tmp_path, srt):
    source = tmp_path / "in.mkv"
    ffmpeg("-i", base, "-c:v", "copy", "-c:a", "libopus", source)
    with pytest.raises(MediaError):
        mux(probe(source), [srt], tmp_path / "out.webm")
    assert not (tmp_path / "out.webm").exists()


def test_invalid_requests(base, tmp_path, srt):
    media = probe(base)
    with pytest.raises(UsageError, match="avi"):
        mux(media, [srt], tmp_path / "out.avi")
    with pytest.raises(OutputError, match="input itself"):
        mux(media, [srt], base)
    with pytest.raises(UsageError, match=r"not a \.srt"):
        mux(media, [SubtitleFile(tmp_path / "a.docx", "en", "x")], tmp_path / "out.mp4")
    with pytest.raises(InputError, match="cannot be read"):
        burn(media, tmp_path / "none.ass", tmp_path / "out.mp4")
    with pytest.raises(InputError, match="no picture"):
        burn(_sound_only(tmp_path), ass(tmp_path), tmp_path / "out.mkv")
    srt.path.write_bytes(b"1\n00:00:01,000 --> 00:00:02,000\nx\n")
    with pytest.raises(MediaError) as caught:  # H.264 is not for WebM
        mux(media, [srt], tmp_path / "out.webm")
    assert "Only VP8 or VP9 or AV1" in "\n".join(caught.value.tail)
    assert caught.value.argv and "out.webm" in caught.value.message
    assert not list(tmp_path.glob("out*")) and not list(tmp_path.glob(".*"))


def _sound_only(folder):
    ffmpeg(*beeps(1, seconds=2), folder / "sound.wav")
    return probe(folder / "sound.wav")


def test_progress_goes_up_to_the_end(base, tmp_path, srt):
    done = []
    mux(probe(base), [srt], tmp_path / "out.mp4", progress=done.append)
    assert done and done[-1] == pytest.approx(6, abs=0.2)
