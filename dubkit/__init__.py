"""dubkit: subtitle, translate and dub a video.

>>> import dubkit
>>> result = dubkit.run("video.mp4", subs=True)     # what `dubkit video.mp4 --subs` does
>>> track = dubkit.transcribe("video.mp4")          # words with times, nothing written

Everything named here is public; plugins import nothing else.
"""

from .errors import (
    DubkitError,
    InputError,
    MediaError,
    MissingDependency,
    OutputError,
    PluginError,
    UsageError,
)
from .hooks import Progress, Transcriber
from .options import Options
from .pipeline import run, transcribe
from .types import (
    AudioStream,
    Cue,
    Media,
    Result,
    SubtitleStream,
    Track,
    Transcription,
    VideoStream,
    Word,
)

__version__ = "0.1.0"

__all__ = [
    "AudioStream",
    "Cue",
    "DubkitError",
    "InputError",
    "Media",
    "MediaError",
    "MissingDependency",
    "Options",
    "OutputError",
    "PluginError",
    "Progress",
    "Result",
    "SubtitleStream",
    "Track",
    "Transcriber",
    "Transcription",
    "UsageError",
    "VideoStream",
    "Word",
    "run",
    "transcribe",
]
