"""The presets of ``examples/presets``, and stand-ins for their tools and servers, each in a folder
laid out like the tool's own."""

import contextlib
import shutil
import subprocess
import sys
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dubkit import Reference, Voice
from dubkit.testing.samples import write_babble
from dubkit_plugins.tools import presets
from dubkit_plugins.tools.command import CommandConverter, CommandLipSyncer, CommandSynthesizer

PRESETS = Path(__file__).parents[1] / "examples/presets"
TOOLS = Path(__file__).parent / "data/tools"
SPEECH = '[speech]\nvoices = ["Ana"]\nlanguages = {en = "en"}\n'


def read(path: Path) -> tuple[np.ndarray, int]:
    with wave.open(str(path)) as sound:
        samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2") / 32768
        return samples.reshape(-1, sound.getnchannels())[:, 0], sound.getframerate()


@dataclass(frozen=True)
class Tool:
    """A stand-in, set up as the preset says."""

    stem: str
    program: str
    """Where in its repository the program is, or the name of a command."""
    files: tuple[str, ...] = ()
    """What its repository has besides."""
    settings: str = ""
    """What the user sets, ``{repo}`` for where the tool is."""
    source: str = ""
    """The stand-in, if it is another preset's."""


REPOSITORIES = (
    Tool(
        "so_vits_svc", "inference_main.py",
        ("logs/44k/G_37600.pth", "logs/44k/config.json", "pretrain/"),
        "repo={repo},python={python},speaker=alice",
    ),
    Tool(
        "so_vits_svc_fork", "svc", ("logs/44k/G_10.pth", "configs/44k/config.json"),
        "svc={repo}/svc,folder={repo},speaker=alice",
    ),
    Tool(
        "rvc", "tools/infer_batch_rvc.py",
        ("assets/weights/voice.pth", "assets/hubert/hubert_base.pt", "assets/rmvpe/rmvpe.pt"),
        "repo={repo},python={python}",
    ),
    Tool("seed_vc", "inference.py", (), "repo={repo},python={python}"),
    Tool("xtts", "tts", (), "tts={repo}/tts"),
    Tool("f5_tts", "f5-tts_infer-cli", (), "program={repo}/f5-tts_infer-cli"),
    Tool(
        "wav2lip", "inference.py",
        ("checkpoints/wav2lip_gan.pth", "face_detection/detection/sfd/s3fd.pth", "temp/"),
        "repo={repo},python={python}",
    ),
    Tool(
        "musetalk", "scripts/inference.py",
        ("models/musetalkV15/unet.pth", "models/musetalkV15/musetalk.json", "models/whisper/",
         "models/sd-vae/", "models/dwpose/", "models/face-parse-bisent/"),
        "repo={repo},python={python}",
    ),
    Tool(
        "latentsync", "scripts/inference.py",
        ("configs/unet/stage2_512.yaml", "checkpoints/latentsync_unet.pt",
         "checkpoints/whisper/tiny.pt"),
        "repo={repo},python={python}",
    ),
    Tool(
        "geneface_plus_plus", "inference/genefacepp_infer.py",
        ("checkpoints/audio2motion_vae/", "checkpoints/motion2video_nerf/may_torso/",
         "deep_3drecon/BFM/index_mp468_from_mesh35709.npy"),
        "repo={repo},python={python}",
    ),
    Tool("rvc_next", "rvc-next", (), "program={repo}/rvc-next,speaker=Alice"),
    Tool("seed_vc_worker", "inference.py", (), "repo={repo},python={python}", "seed_vc"),
    Tool(
        "wav2lip_worker", "inference.py",
        ("checkpoints/wav2lip_gan.pth", "face_detection/detection/sfd/s3fd.pth"),
        "repo={repo},python={python}", "wav2lip",
    ),
    Tool(
        "latentsync_worker", "scripts/inference.py",
        ("configs/unet/stage2_512.yaml", "checkpoints/latentsync_unet.pt",
         "checkpoints/whisper/tiny.pt"),
        "repo={repo},python={python}", "latentsync",
    ),
    Tool(
        "index_tts2", "indextts/infer_v2.py", ("checkpoints_2/config.yaml",),
        "repo={repo},python={python}",
    ),
    Tool(
        "index_tts2_5", "indextts/infer_v2_5.py", ("checkpoints/config.yaml",),
        "repo={repo},python={python}",
    ),
    Tool(
        "cosyvoice3", "cosyvoice/cli/cosyvoice.py", ("third_party/Matcha-TTS/matcha/",),
        "repo={repo},python={python}",
    ),
)  # fmt: skip

BY_STEM = {tool.stem: tool for tool in REPOSITORIES}

KINDS = {
    "synthesizer": CommandSynthesizer,
    "converter": CommandConverter,
    "lipsyncer": CommandLipSyncer,
}


def installed(tool: Tool, folder: Path) -> Path:
    """Lay the stand-in out as the tool's own repository is."""
    repo = folder / "a tool's folder"
    program = repo / tool.program
    program.parent.mkdir(parents=True)
    name = tool.source or tool.stem
    source = (TOOLS / f"{name}.py").read_text()
    beside = f"import sys; sys.path.append({str(TOOLS)!r})\n"
    if (TOOLS / "repositories" / name).is_dir():
        shutil.copytree(TOOLS / "repositories" / name, repo, dirs_exist_ok=True)
    program.write_text(f"#!{sys.executable}\n{beside}{source}")
    program.chmod(0o755)
    for name in tool.files:
        path = repo / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir()
        else:
            path.write_text('{"spk": {"alice": 0}}')
    if tool.stem == "rvc":
        (repo / ".env").write_text("weight_root = assets/weights\nrmvpe_root = assets/rmvpe\n")
    return repo


def settings_of(tool: Tool, repo: Path) -> str:
    return tool.settings.format(repo=repo, python=sys.executable)


def engine_of(stem: str, folder: Path, more: str = "", preset: Path | None = None):
    tool = BY_STEM[stem]
    repo = installed(tool, folder)
    kind = presets.tomllib.loads((PRESETS / f"{stem}.toml").read_text())["kind"]
    chosen = settings_of(tool, repo) + more
    return KINDS[kind](preset=preset or PRESETS / f"{stem}.toml", set=chosen), repo


def clip(folder: Path, seconds: float = 4.0) -> Voice:
    path = write_babble(folder / "clip.wav", seconds, 24000)
    return Voice(references=(Reference(path, "Good morning.", "en"),))


def program(folder: Path, code: str) -> Path:
    """A Python program with these lines in it."""
    path = folder / "program.py"
    path.write_text(f"import os, sys, time\nsys.path.insert(0, {str(TOOLS)!r})\n{code}")
    return path


def preset(folder: Path, run: str, rest: str = "", kind: str = "synthesizer") -> Path:
    """A preset with these lines in its [run]."""
    path = folder / "any.toml"
    head = f'kind = "{kind}"\nname = "Any"\nlicence = "none"\nhomepage = "https://x"\n'
    output = "" if "[output]" in rest else '[output]\npath = "{out}"\n'
    speech = SPEECH if kind == "synthesizer" else ""
    path.write_text(f"{head}{speech}[run]\n{run}\n{output}{rest}")
    return path


@contextlib.contextmanager
def serving(stem: str) -> Iterator[str]:
    """The address of a stand-in that runs."""
    child = subprocess.Popen(
        [sys.executable, str(TOOLS / f"{stem}.py"), "0"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout
        yield f"http://127.0.0.1:{child.stdout.readline().strip()}"
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
