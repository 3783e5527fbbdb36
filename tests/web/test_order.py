"""What the page may ask of the command, and what it may not."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from command import AUSTEN

from dubkit import InputError, UsageError
from dubkit.cli.parser import build_parser, options_of
from dubkit.engines import plugins
from dubkit.hooks import KINDS
from dubkit.options import Options, from_keywords
from dubkit.system.programs import start_program
from dubkit.web import catalog
from dubkit.web.arguments import arguments
from dubkit.web.jobs import Queue
from dubkit.web.server import Server
from dubkit.web.store import Store, Video, new_token

SETTINGS = {"faster-whisper": ["beam_size", "model"], "kokoro": ["speed"], "command": ["set"]}
ENGINES = {
    kind: {
        plugin.name: {
            "settings": [{"name": name} for name in SETTINGS.get(plugin.name, ())],
            "open_ended": plugin.name in ("command", "http"),
        }
        for plugin in plugins(kind)
    }
    for kind in KINDS
}


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Video:
    session = Store(tmp_path_factory.mktemp("data")).session(new_token())
    video = session.take(AUSTEN, "talk.mp4")
    video.other.mkdir()
    for name in ("talk.de.srt", "terms.csv", "who.rttm"):
        (video.other / name).write_text("x")
    return video


def argv(of, /, **wishes):
    return arguments(wishes, of, lambda: ENGINES)


def understood(argv: list[str]) -> Options:
    """The options that the command makes of arguments."""
    return options_of(build_parser().parse_intermixed_args(argv))


WISHES = [
    {"subs": True},
    {"subs": True, "video": False, "formats": ["srt", "vtt"], "language": "en", "force": True},
    {"to": ["pt-BR", "es"], "tone": "--formal", "context": "a, b=c 'x'", "bilingual": True},
    {"to": "pt", "dub": True, "tts": "kokoro", "voice": ["pf_dora", "A=pm_alex"]},
    {"to": "pt", "dub": True, "settings": {"kokoro": {"speed": 1.1}}, "redo": "1,3-4"},
    {"subs": True, "burn": True, "crf": 19, "style": "size=56,position=top"},
    {"subs": True, "hotwords": ["Ann", "Bob"], "prompt": "-x\ny", "audio_track": 2},
    {"subs": True, "model": "owner/name", "device": "cpu", "profile": "bbc"},
    {"subs": True, "settings": {"faster-whisper": {"beam_size": 5}}},
    {"subs": True, "subs_from": "embedded:es", "retime": True},
]


@pytest.mark.parametrize("wishes", WISHES, ids=str)
def test_the_command_understands_what_was_asked(video, wishes):
    made = argv(video, **wishes)
    assert made[0] == "./talk.mp4"
    lists = {key: tuple(one) for key, one in wishes.items() if isinstance(one, list)}
    assert understood(made) == from_keywords({**wishes, **lists})


def test_files_that_were_added_are_named_by_their_place(video):
    made = understood(argv(video, subs_from="talk.de.srt", to="pt", glossary="terms.csv"))
    assert made.subs_from == ".other/talk.de.srt" and made.glossary == Path(".other/terms.csv")
    for name in ("/etc/passwd", "../talk.mp4", "talk.mp4", "missing.srt"):
        with pytest.raises(InputError):
            argv(video, subs_from=name)


REFUSED = [
    {"transcriber": "./file.py:Class"},
    {"transcriber": "/tmp/file.py:Class"},
    {"transcriber": "file:Class"},
    {"translator": "evil.py:X", "to": "pt"},
    {"to": "pt", "dub": True, "tts": "command"},
    {"to": "pt", "dub": True, "tts": "http"},
    {"to": "pt", "dub": True, "convert": "command"},
    {"to": "pt", "dub": True, "lipsync": "command"},
    {"to": "pt", "dub": True, "convert": "rvc"},
    {"to": "pt", "dub": True, "tts": "pocket-tts"},
    {"to": "pt", "dub": True, "separate": "./x.py:X"},
    {"diarizer": "./x.py:X"},
    {"model": "/models/whisper"},
    {"model": "../whisper"},
    {"model": "~/whisper"},
    {"model": "a/../../b"},
    {"model": "a/b/c"},
    {"model": "C:\\models"},
    {"model": "http://localhost/"},
    {"settings": {"faster-whisper": {"model": "/models"}}},
    {"settings": {"faster-whisper": {"model": "file:///models"}}},
    {"settings": {"faster-whisper": {"nothing": "1"}}},
    {"settings": {"kokoro": {"_private": "1"}}},
    {"settings": {"openai": {"base_url": "http://evil.example"}}},
    {"settings": {"command": {"preset": "x.toml"}}},
    {"settings": {"command": {"set": "x"}}},
    {"settings": {"./x.py": {"a": "1"}}},
    {"settings": "kokoro.speed=2"},
    {"settings": {"kokoro": "fast"}},
    {"output_dir": "/tmp"},
    {"burn": "yes"},
    {"crf": "19", "burn": True},
    {"tone": {"a": 1}},
    {"formats": [1]},
    {"voice": True},
    {"prompt": "x" * 20_001},
    {"prompt": "a\0b"},
    {"prompt": "\ud800"},
    {"hotwords": ["a", "\x1b[2J"]},
    {"settings": {"kokoro": {"speed": "1\0"}}},
    {"model": "\0/models"},
]


@pytest.mark.parametrize("wishes", REFUSED, ids=lambda one: str(one)[:60])
def test_what_would_reach_beyond_the_video_is_refused(video, wishes):
    with pytest.raises(UsageError) as refused:
        argv(video, subs=True, **wishes)
    assert refused.value.message and refused.value.hint


def test_an_engine_that_cannot_be_described_is_refused(video):
    with pytest.raises(UsageError, match="runs programs"):
        arguments({"subs": True, "transcriber": "faster-whisper"}, video, dict)


def test_a_part_of_a_name_is_refused_as_the_whole(video, tmp_path, monkeypatch):
    """``tool`` stands for ``tool-box`` in the command, too."""
    info = tmp_path / "tool_box-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tool-box\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[dubkit.converters]\ntool-box = tool_box:Engine\n")
    monkeypatch.syspath_prepend(tmp_path)
    described = {"converters": {"tool-box": {"settings": [], "open_ended": True}}}
    for name in ("tool", "tool-box"):
        with pytest.raises(UsageError, match="runs programs"):
            arguments({"to": "pt", "dub": True, "convert": name}, video, lambda: described)


def test_an_engine_that_cannot_be_imported_says_why(video):
    described = {"transcribers": {"faster-whisper": {"settings": [], "problem": "pip install it"}}}
    with pytest.raises(UsageError, match="cannot be used") as refused:
        arguments({"subs": True, "transcriber": "faster-whisper"}, video, lambda: described)
    assert refused.value.hint == "pip install it"


def test_a_server_may_allow_it(video):
    wishes = {"subs": True, "transcriber": "./file.py:Class", "model": "/models"}
    made = arguments(wishes, video, dict, local_plugins=True)
    assert understood(made).transcriber == "./file.py:Class"


@pytest.mark.slow
def test_engines_are_described_without_what_names_files_or_addresses():
    kinds = ("synthesizers", "translators", "lipsyncers")
    described = json.loads(json.dumps({kind: catalog.describe(kind) for kind in kinds}))
    kokoro = described["synthesizers"]["kokoro"]
    assert described["lipsyncers"]["command"]["open_ended"] and not kokoro["open_ended"]
    speed = next(one for one in kokoro["settings"] if one["name"] == "speed")
    assert speed["type"] == "float" and speed["default"] == "1.0" and "1.2" in speed["help"]
    assert "pf_dora" in kokoro["voices"]["pt"]
    openai = {one["name"] for one in described["translators"]["openai"]["settings"]}
    assert "temperature" in openai and not openai & {"base_url", "prompt", "_server"}


SLOWLY = """
import json, sys
print(json.dumps({"transcribers": {"quick": {"models": ["m"]}}}), flush=True)
sys.stdin.read()
print(json.dumps({"translators": {}}), flush=True)
"""


def test_engines_of_a_kind_are_known_before_all_others_are(tmp_path, monkeypatch):
    children = []

    def begin(argv, **more):
        children.append(start_program([sys.executable, "-c", SLOWLY], stdin=subprocess.PIPE))
        return children[-1]

    monkeypatch.setattr("dubkit.web.server.start_program", begin)
    server = Server(Store(tmp_path / "data"), Queue(1))
    try:
        server.look_up_engines()
        assert server.engines(30, "transcribers")["transcribers"]["quick"]["models"] == ["m"]
        assert server.engines(0) == {} == server.engines(0.1, "translators")
        children[0].stdin.close()
        assert server.engines(30).keys() == {"transcribers", "translators"}
        assert len(children) == 1
    finally:
        server.close()
