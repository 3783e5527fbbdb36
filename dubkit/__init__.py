"""dubkit: subtitle, translate and dub a video.

>>> import dubkit
>>> result = dubkit.run("video.mp4", subs=True)     # what `dubkit video.mp4 --subs` does
>>> track = dubkit.transcribe("video.mp4")          # words with times, nothing written

Everything named here is public; plugins import nothing else.
"""

from dubkit.speech.voiceprint import embed_each

from . import privacy
from .errors import (
    ConsentNeeded,
    DubkitError,
    ForeignWorkspace,
    InputError,
    MediaError,
    MissingDependency,
    OutputError,
    PluginError,
    UsageError,
)
from .files import at_home, cache_folder
from .hooks import (
    Aligner,
    AvatarDrawer,
    BatchConverter,
    BatchLipSyncer,
    BatchSynthesizer,
    ClonesSome,
    ConversionRequest,
    Converter,
    Diarizer,
    External,
    Installable,
    Installation,
    Line,
    LipSyncer,
    LipSyncRequest,
    Metered,
    Neighbor,
    Passage,
    Progress,
    Separator,
    Synthesizer,
    TrainedLipSyncer,
    TranscribeProgress,
    Transcriber,
    TranslationReply,
    TranslationRequest,
    Translator,
    Utterance,
    Weights,
)
from .installed import verify_installed
from .languages import in_script, script_name
from .languages import name as language_name
from .languages import primary as primary_language
from .options import Options
from .pipeline import run, transcribe
from .system.cores import usable_cores
from .system.programs import start_program, stop_program
from .system.proxies import Proxy, find_proxy, mend_environment
from .system.scratch import scratch_folder
from .types import (
    AudioStream,
    Cue,
    Dub,
    Media,
    Reference,
    Result,
    SpokenLine,
    SubtitleStream,
    Track,
    Transcription,
    Translation,
    Turn,
    UntranslatedLine,
    Usage,
    VideoStream,
    Voice,
    Word,
)

mend_environment()
privacy.opt_out()  # nothing above imports a library that reports; what comes after may

__version__ = "0.1.0"

__all__ = [
    "Aligner",
    "AudioStream",
    "AvatarDrawer",
    "BatchConverter",
    "BatchLipSyncer",
    "BatchSynthesizer",
    "ClonesSome",
    "ConsentNeeded",
    "ConversionRequest",
    "Converter",
    "Cue",
    "Diarizer",
    "Dub",
    "DubkitError",
    "External",
    "ForeignWorkspace",
    "InputError",
    "Installable",
    "Installation",
    "Line",
    "LipSyncRequest",
    "LipSyncer",
    "Media",
    "MediaError",
    "Metered",
    "MissingDependency",
    "Neighbor",
    "Options",
    "OutputError",
    "Passage",
    "PluginError",
    "Progress",
    "Proxy",
    "Reference",
    "Result",
    "Separator",
    "SpokenLine",
    "SubtitleStream",
    "Synthesizer",
    "Track",
    "TrainedLipSyncer",
    "TranscribeProgress",
    "Transcriber",
    "Transcription",
    "Translation",
    "TranslationReply",
    "TranslationRequest",
    "Translator",
    "Turn",
    "UntranslatedLine",
    "Usage",
    "UsageError",
    "Utterance",
    "VideoStream",
    "Voice",
    "Weights",
    "Word",
    "at_home",
    "cache_folder",
    "embed_each",
    "find_proxy",
    "in_script",
    "language_name",
    "primary_language",
    "run",
    "scratch_folder",
    "script_name",
    "start_program",
    "stop_program",
    "transcribe",
    "usable_cores",
    "verify_installed",
]
