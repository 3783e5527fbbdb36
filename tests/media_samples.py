"""Make small videos with ffmpeg's own sources, and measure what is in a file.

A sample is black with a white flash, and silent with a beep; their times in a result show whether
audio and video are still in sync.
"""

import hashlib
import struct
import subprocess
import wave
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np

from dubkit.media.probe import start_of

BEEP = 0.1
"""Seconds that a flash and a beep last."""


def ffmpeg(*argv: object) -> None:
    """Run ffmpeg; if it fails, the test fails with its error output.

    It is the bundled one, so that the samples are the same whatever ffmpeg dubkit itself runs.
    """
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(),
        "-hide_banner",
        "-loglevel",
        "error",
        "-nostdin",
        "-y",
    ]
    done = subprocess.run([*command, *map(str, argv)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def flashes(*times: float, seconds: float = 6, size: str = "160x120", rate: int = 25) -> list[str]:
    """Input arguments for black with a white flash at each of ``times``."""
    when = "+".join(f"between(t,{time},{time + BEEP - 0.001})" for time in times) or "0"
    white = f"drawbox=w=iw:h=ih:c=white:t=fill:enable='{when}'"
    return ["-f", "lavfi", "-i", f"color=black:s={size}:r={rate}:d={seconds},{white}"]


def beeps(
    *times: float, seconds: float = 6, rate: int = 48000, channels: str = "mono"
) -> list[str]:
    """Input arguments for silence with a beep at each of ``times``."""
    when = "+".join(f"between(t,{time},{time + BEEP})" for time in times) or "0"
    sound = f"if({when},0.8*sin(2*PI*1000*t),0)"
    source = f"aevalsrc='{sound}':s={rate}:d={seconds},aformat=channel_layouts={channels}"
    return ["-f", "lavfi", "-i", source]


def sample(path: Path, *output: object, at: float = 3) -> Path:
    """A video of 6 s with one flash and one beep ``at`` seconds; H.264 and AAC by default."""
    ffmpeg(*flashes(at), *beeps(at), *(output or ["-c:v", "libx264", "-c:a", "aac"]), path)
    return path


def onsets(samples: np.ndarray, rate: int, above: float = 0.1) -> list[float]:
    """Seconds at which it gets loud after silence."""
    loud = np.flatnonzero(np.abs(samples) > above)
    return [float(at) / rate for at in loud[np.diff(loud, prepend=-rate) > rate / 4]]


def wav_onsets(path: Path) -> list[float]:
    with wave.open(str(path)) as wav:
        assert (wav.getframerate(), wav.getnchannels(), wav.getsampwidth()) == (16000, 1, 2)
        samples = np.frombuffer(wav.readframes(wav.getnframes()), "<i2") / 32768
        assert len(samples) == wav.getnframes()
    return onsets(samples, 16000)


def frames(path: Path) -> list[tuple[float, np.ndarray]]:
    """Each frame's second on the player's timeline, and its luma."""
    with av.open(f"file:{path.absolute()}") as container:
        start = start_of(container)
        found = []
        for frame in container.decode(container.streams.video[0]):
            luma = frame.reformat(format="gray").to_ndarray()
            found.append((float(frame.time) - start, luma))
    return found


def flash_onsets(path: Path) -> list[float]:
    found = []
    dark = True
    for time, luma in frames(path):
        bright = luma.mean() > 100
        if bright and dark:
            found.append(time)
        dark = not bright
    return found


def disposition(stream: av.stream.Stream) -> int:
    """A stream's disposition flags as an int, which PyAV before 17 wraps in an enum."""
    return int(getattr(stream.disposition, "value", stream.disposition))


def packets(path: Path) -> dict[int, list[tuple[float | None, str]]]:
    """Each stream's packets: second from the file's start, and a hash of the content."""
    with av.open(f"file:{path.absolute()}") as container:
        start = start_of(container)
        found: dict[int, list[tuple[float | None, str]]] = {}
        for packet in container.demux():
            if packet.size:
                at = None if packet.pts is None else float(packet.pts * packet.time_base) - start
                digest = hashlib.sha256(bytes(packet)).hexdigest()
                found.setdefault(packet.stream_index, []).append((at, digest))
    return found


def in_container(name, *codecs):
    return lambda folder, base: sample(folder / name, *codecs)


def copied(name, *options):
    def make(folder, base):
        ffmpeg("-i", base, "-c", "copy", *options, folder / name)
        return folder / name

    return make


def late_sound(name, *codecs):
    def make(folder, base):
        offset = ["-itsoffset", 1.5]
        ffmpeg(*flashes(3), *offset, *beeps(1.5, seconds=4), *codecs, folder / name)
        return folder / name

    return make


def late_picture(name, *codecs):
    def make(folder, base):
        offset = ["-itsoffset", 2]
        ffmpeg(*offset, *flashes(1, seconds=4), *beeps(3), *codecs, folder / name)
        return folder / name

    return make


def gap(name, *codecs):
    def make(folder, base):
        drop = "aselect='not(between(t,1,2))'"
        ffmpeg(*flashes(3), *beeps(3), "-af", drop, *codecs, folder / name)
        return folder / name

    return make


H264 = ["-c:v", "libx264", "-bf", 2, "-g", 25]
VP8 = ["-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", 8, "-c:a", "libopus"]
AVC = [*H264, "-c:a", "aac"]
SAMPLES = {
    "mp4": copied("x.mp4"),
    "mov": in_container("x.mov", *AVC),
    "mkv": copied("x.mkv"),
    "webm": in_container("x.webm", *VP8),
    "avi": in_container("x.avi", "-c:v", "mpeg4", "-c:a", "libmp3lame"),
    "flv": in_container("x.flv", *AVC),
    "3gp": in_container("x.3gp", "-c:v", "mpeg4", "-c:a", "aac"),
    "wmv": in_container("x.wmv", "-c:v", "wmv2", "-c:a", "wmav2"),
    "mpg": in_container("x.mpg", "-c:v", "mpeg2video", "-c:a", "mp2"),
    "ogv": in_container("x.ogv", "-c:v", "libtheora", "-c:a", "libvorbis"),
    "fragments": copied("x.mp4", "-movflags", "frag_keyframe+empty_moov"),
    "ts": copied("x.ts"),
    "ts at a day": copied("x.ts", "-output_ts_offset", 86_400),
    "ts that wraps": copied("x.ts", "-output_ts_offset", 95_440.7),
    "odd time base": copied("x.mov", "-video_track_timescale", 30_011),
    "late sound, mp4": late_sound("x.mp4", *AVC),
    "late sound, mkv": late_sound("x.mkv", *AVC),
    "late sound, ts": late_sound("x.ts", *AVC),
    "late sound, flv": late_sound("x.flv", *AVC),
    "late picture, mp4": late_picture("x.mp4", *AVC),
    "late picture, mkv": late_picture("x.mkv", *AVC),
    "late picture, ts": late_picture("x.ts", *AVC),
    "gap, pcm": gap("x.mkv", *H264, "-c:a", "pcm_s16le"),
    "gap, flac": gap("x.mkv", *H264, "-c:a", "flac"),
}
"""A function for each way in which containers keep time: it makes a video in a folder, some from a
plain mp4."""


PLAYLISTS = {
    "m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{0}\n#EXT-X-ENDLIST\n",
    "key": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n"
    '#EXT-X-KEY:METHOD=AES-128,URI="{0}"\n#EXTINF:9,\n{0}\n',
    "ffconcat": "ffconcat version 1.0\nfile '{0}'\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\n",
    "mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'mediaPresentationDuration="PT6S"><Period><AdaptationSet mimeType="video/mp4">'
    '<Representation id="1" bandwidth="1"><BaseURL>{0}</BaseURL><SegmentBase/></Representation>'
    "</AdaptationSet></Period></MPD>",
}
"""Files that name others, for the one that is put in."""


def with_reference(path, target):
    """Rewrite an mp4 so that its tracks' samples lie in the file ``target`` (a QuickTime alias)."""
    name = str(target).encode()
    alias = bytes(10) + b"\x01/" + bytes(26) + bytes(12) + b"\x01x" + bytes(62) + bytes(16)
    alias += struct.pack(">HH", 1, 1) + bytes(16)
    alias += struct.pack(">HH", 2, len(name) + 1) + b"/" + name + bytes(len(name) + 1 & 1)
    alias += struct.pack(">HH", 0xFFFF, 0)
    entry = struct.pack(">I4sI", 12 + len(alias), b"alis", 0) + alias
    data = path.read_bytes()

    def rebuilt(boxes):
        done, at = b"", 0
        while at < len(boxes):
            length, kind = struct.unpack(">I4s", boxes[at : at + 8])
            body = boxes[at + 8 : at + length]
            if kind in (b"moov", b"trak", b"mdia", b"minf", b"dinf"):
                body = rebuilt(body)
            elif kind == b"dref":
                body = struct.pack(">II", 0, 1) + entry
            done += struct.pack(">I4s", 8 + len(body), kind) + body
            at += length
        return done

    path.write_bytes(rebuilt(data))
