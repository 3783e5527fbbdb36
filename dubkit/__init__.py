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
from .hooks import (
    Converter,
    Diarizer,
    Line,
    LipSyncer,
    Metered,
    Neighbour,
    Progress,
    Separator,
    Speaker,
    Transcriber,
    TranslationReply,
    TranslationRequest,
    Translator,
)
from .languages import name as language_name
from .options import Options
from .pipeline import run, transcribe
from .types import (
    AudioStream,
    Cue,
    Media,
    Reference,
    Result,
    SubtitleStream,
    Track,
    Transcription,
    Translated,
    Turn,
    Untranslated,
    Usage,
    VideoStream,
    Voice,
    Word,
)
from .voiceprint import embed_each

__version__ = "0.1.0"

__all__ = [
    "AudioStream",
    "Converter",
    "Cue",
    "Diarizer",
    "DubkitError",
    "InputError",
    "Line",
    "LipSyncer",
    "Media",
    "MediaError",
    "Metered",
    "MissingDependency",
    "Neighbour",
    "Options",
    "OutputError",
    "PluginError",
    "Progress",
    "Reference",
    "Result",
    "Separator",
    "Speaker",
    "SubtitleStream",
    "Track",
    "Transcriber",
    "Transcription",
    "Translated",
    "TranslationReply",
    "TranslationRequest",
    "Translator",
    "Turn",
    "Untranslated",
    "Usage",
    "UsageError",
    "VideoStream",
    "Voice",
    "Word",
    "embed_each",
    "language_name",
    "run",
    "transcribe",
]
