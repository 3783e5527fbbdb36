"""Lip-syncers that draw something measurable, and others that go wrong."""

import time
import wave

import av
import numpy as np
from media_samples import ffmpeg

from dubkit import LipSyncer
from dubkit.errors import PluginError, UsageError


class Painter(LipSyncer):
    """Paints a green patch over the lower half of the clip."""

    contract = 2

    filters = "drawbox=x=0.2*iw:y=ih*0.54:w=0.6*iw:h=ih*0.3:c=green:t=fill"
    more = ()

    def __init__(self, rate=None):
        self.frame_rate = rate
        self.frame_counts = []
        """The number of frames of each clip received."""

    def lipsync(self, video, audio, out, *, progress):
        with av.open(str(video)) as clip:
            self.frame_counts.append(clip.streams.video[0].frames)
        ffmpeg("-i", video, "-vf", self.filters, *self.more, "-c:v", "libx264", "-crf", 5, out)
        progress("lip-sync", 1, 1)


class Painters(Painter):
    """The same, for two shots a call; a batch's second fails, and is done alone."""

    at_once = 2

    def __init__(self):
        super().__init__()
        self.batches = []

    def lipsync_all(self, requests, *, progress):
        self.batches.append(len(requests))
        first = requests[0]
        self.lipsync(first.video, first.audio, first.out, progress=progress)
        return ["", *["no" for _ in requests[1:]]]


class Flasher(LipSyncer):
    """Makes the lower half white while the audio is loud, black otherwise."""

    contract = 2

    def __init__(self, rate):
        self.frame_rate = rate

    def lipsync(self, video, audio, out, *, progress):
        with wave.open(str(audio)) as sound:
            samples = np.abs(np.frombuffer(sound.readframes(10**9), "<i2").astype(int))
        with av.open(str(video)) as clip, av.open(str(out), "w", format="mp4") as target:
            stream = clip.streams.video[0]
            rate = stream.average_rate
            into = target.add_stream("libx264", rate=rate)
            into.width, into.height, into.pix_fmt = stream.width, stream.height, "yuv420p"
            into.options = {"crf": "5"}
            for number, frame in enumerate(clip.decode(stream)):
                rows = frame.to_ndarray()
                now = samples[int(number * 16000 / rate) : int((number + 1) * 16000 / rate)]
                high, wide = frame.height, frame.width
                half = rows[int(high * 0.54) : int(high * 0.84), int(wide * 0.2) : int(wide * 0.8)]
                half[:] = 235 if now.mean() > 1000 else 16
                painted = av.VideoFrame.from_ndarray(rows, "yuv420p")
                painted.pts, painted.time_base = number, 1 / rate
                target.mux(into.encode(painted))
            target.mux(into.encode(None))


class _Fault(Painter):
    calls = 0

    def lipsync(self, video, audio, out, *, progress):
        self.calls += 1
        self.fail(video, audio, out)

    def fail(self, video, audio, out):
        super().lipsync(video, audio, out, progress=lambda *_: None)


class Crashes(_Fault):
    def fail(self, video, audio, out):
        raise PluginError("CUDA is out of memory")


class Exits(_Fault):
    def fail(self, video, audio, out):
        raise SystemExit(3)


class NotSetUp(_Fault):
    def fail(self, video, audio, out):
        raise UsageError("there is no repository", "clone it")


class WritesNothing(_Fault):
    def fail(self, video, audio, out):
        time.sleep(0.01)


class WritesNoFilm(_Fault):
    def fail(self, video, audio, out):
        out.write_bytes(bytes(5000))


class LinksAway(_Fault):
    def fail(self, video, audio, out):
        out.symlink_to(video)


class SoundOnly(_Fault):
    def fail(self, video, audio, out):
        ffmpeg("-i", audio, "-c:a", "aac", out)


class Halved(_Fault):
    more = ("-frames:v", 20)


class LosesTwo(_Fault):
    filters = f"select='gte(n,2)',setpts=N/FRAME_RATE/TB,{Painter.filters}"


class AddsOne(_Fault):
    filters = f"{Painter.filters},tpad=stop=1"


class Doubles(_Fault):
    filters = f"{Painter.filters},fps=50"


class Smaller(_Fault):
    filters = f"{Painter.filters},scale=iw/2:ih/2"


class Squashed(_Fault):
    filters = "scale=200:100"


class Huge(_Fault):
    filters = "scale=iw*5:ih*5"
    more = ("-preset", "ultrafast")


class OtherPicture(_Fault):
    filters = "negate"


class Damaged(_Fault):
    def fail(self, video, audio, out):
        super().fail(video, audio, out)
        data = bytearray(out.read_bytes())
        data[200:] = data[200 : len(data) // 2]
        out.write_bytes(data)


FAULTY = {
    "it crashes": (Crashes, "CUDA is out of memory"),
    "it exits": (Exits, "SystemExit"),
    "it is not set up": (NotSetUp, "no repository"),
    "it writes nothing": (WritesNothing, "it wrote no file"),
    "it writes no film": (WritesNoFilm, "cannot be read"),
    "it links elsewhere": (LinksAway, "it wrote no file"),
    "it writes sound": (SoundOnly, "no picture"),
    "it writes half a file": (Damaged, "cannot be read"),
    "it loses many frames": (Halved, "wrong length: 20 frames"),
    "it loses two frames": (LosesTwo, None),
    "it adds a frame": (AddsOne, None),
    "it doubles the rate": (Doubles, "wrong length: more than"),
    "it makes it smaller": (Smaller, None),
    "it squashes": (Squashed, "wrong size: 200x100"),
    "it makes it huge": (Huge, "wrong size"),
    "it shows another picture": (OtherPicture, "something else"),
}
"""What an engine may do, and a part of the reported reason; None if it is tolerated."""
