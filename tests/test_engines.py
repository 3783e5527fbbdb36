"""Engines that fail, that return garbage, that are not there: the core trusts none of them."""

import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
from command import BROKEN, FAST, assert_nothing_made, assert_refused, called, dubkit
from data.engines import GARBAGE, ODD

from dubkit import (
    MissingDependency,
    PluginError,
    Transcriber,
    Translator,
    UsageError,
    engines,
    subtitles,
    testing,
)


def broken(how):
    return (*BROKEN, "-o", f"Broken.how={how}")


FAILURES = {
    "raise": "the engine fell over",
    "exit": "failed",
    "memory": "out of memory",
    "silent": "ValueError",
    "write": "the engine fell over",
    "start": "it would not start",
}


def test_an_engine_that_hangs_is_given_up_by_time(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(engines.patience.time, "monotonic", lambda: now[0])
    hangs, works = engines.Patience(5, since=0.0), engines.Patience(5)
    works.success()
    for one in (hangs, works):
        one.failure()
    now[0] = engines.patience.LONGEST
    assert not hangs.exhausted and hangs.is_out_of_time  # one failure may be that item's own
    assert not works.is_out_of_time
    hangs.failure()
    works.failure()
    assert hangs.exhausted and not works.exhausted
    hangs.answered()  # a batch of which only the first two failed
    assert not hangs.exhausted
    now[0] *= engines.patience.WORKED
    assert works.exhausted
    works.success()
    assert not works.exhausted


@pytest.mark.parametrize("how", FAILURES)
def test_an_engine_that_fails(how, talk):
    before = talk.read_bytes()
    ran = called(talk, "--subs", *broken(how))
    assert ran.status == 6 and ran.out == "", ran
    sentence, hint = [line for line in ran.err.splitlines() if "Extracting" not in line]
    assert sentence.startswith("dubkit: transcriber") and "Broken" in sentence
    assert FAILURES[how] in sentence and hint.startswith("  ")
    assert_nothing_made(talk.parent)
    assert talk.read_bytes() == before
    # Whatever it left, a good engine is not kept from its work by it.
    assert called(talk, "--subs", *FAST).status == 0


def test_what_an_engine_writes_into_the_workspace_is_nothing_to_go_by(talk, tmp_path):
    assert called(talk, "--subs", *broken("write")).status == 6
    ran = called(talk, "--subs", *FAST)
    assert ran.status == 0, ran
    assert called(talk, "--subs", *FAST, "-o", tmp_path / "clean").status == 0
    assert ran.paths[0].read_bytes() == (tmp_path / "clean/talk.en.srt").read_bytes()


@pytest.mark.parametrize("how", GARBAGE)
def test_an_engine_that_returns_garbage(how, talk):
    ran = called(talk, "--subs", *broken(how))
    assert ran.status == 6 and "Traceback" not in ran.err, ran
    assert "transcriber" in ran.err and "Broken failed: " in ran.err
    assert_nothing_made(talk.parent)
    assert not (talk.parent / "talk.dubkit/transcript.json").exists()
    assert {path.name for path in talk.parent.parent.iterdir()} == {"in"}


@pytest.mark.parametrize("how", ODD)
def test_an_engine_that_returns_odd_things(how, talk):
    formats = "srt,vtt,ass,ttml,json,txt"
    ran = called(talk, "--subs", "--format", formats, *broken(how))
    assert ran.status == 0, ran
    for path in ran.paths[:5]:
        track = subtitles.read(path, "en")
        starts = [cue.start for cue in track.cues]
        assert starts == sorted(starts)
        for cue in track.cues:
            assert 0 <= cue.start <= 6.1 and cue.start <= cue.end <= 10 and cue.text.strip()
    words = subtitles.read(ran.paths[4]).words
    assert all(word.start <= word.end <= 6.1 for word in words)
    assert all(word.probability is None or math.isfinite(word.probability) for word in words)
    assert ("no speech was found" in ran.err) == (how in ("nothing", "only spaces"))


def test_the_input_and_the_sound_are_the_engines_to_read(talk):
    """What a plugin gets is a folder of its own and a copy of the sound."""
    engine = talk.parent.parent / "spy.py"
    engine.write_text(
        "from dubkit import Track, Transcriber, Transcription\n"
        "class Spy(Transcriber):\n"
        "    contract = 2\n"
        "    def transcribe(self, audio, *, language, prompt, hotwords, work, progress):\n"
        "        assert audio.name == 'audio.wav' and work.is_dir() and not list(work.iterdir())\n"
        "        assert (language, prompt, hotwords) == ('fr', 'Bonjour', ('Ain', 'Jura'))\n"
        "        progress('transcribe', 3.0, 6.0)\n"
        "        return Transcription(Track('fr', ()), 'spy')\n"
    )
    ran = called(talk, "--subs", "--transcriber", f"{engine}:Spy", "--language", "fr",
                 "--prompt", "Bonjour", "--hotwords", "Ain, Jura")  # fmt: skip
    assert ran.status == 0, ran


# ---------------------------------------------------------------- loading


MODULES = {
    "import": ("import a_package_nobody_has\n", 4, ["a_package_nobody_has", "pip install"]),
    "syntax": ("def x(:\n", 6, ["cannot be imported"]),
    "raises": ("raise RuntimeError('not today')\n", 6, ["not today"]),
    "exits": ("import sys; sys.exit(3)\n", 6, ["cannot be imported"]),
    "no class": ("Engine = 5\n", 2, ["no class Engine"]),
    "old": ("from dubkit import NothingOfTheKind\n", 6, ["NothingOfTheKind"]),
    "no method": ("class Engine: pass\n", 6, ["transcribe"]),
}


@pytest.mark.parametrize("kind", MODULES)
def test_a_file_that_is_no_engine(kind, talk, tmp_path):
    code, status, words = MODULES[kind]
    path = tmp_path / "engine.py"
    path.write_text(code)
    ran = called(talk, "--subs", "--transcriber", f"{path}:Engine")
    if kind == "no method":
        assert ran.status == 6 and "transcribe" in ran.err
    else:
        assert_refused(ran, status, *words)
    assert_nothing_made(talk.parent)


def installed(folder: Path, name: str, engine: str, module: str, code: str) -> None:
    """A distribution as pip would leave it."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[dubkit.transcribers]\n{engine} = {module}:Engine\n")
    (folder / f"{module}.py").write_text(code)


SHOUT = """
from dataclasses import dataclass
from dubkit import Cue, Track, Transcriber, Transcription, Word

@dataclass
class Engine(Transcriber):
    contract = 2
    text: str = " Hello."
    times: int = 1
    def check(self):
        return ["it needs a rest"]
    def transcribe(self, audio, *, language, prompt, hotwords, work, progress):
        words = (Word(0.5, 1.5, self.text * self.times),)
        return Transcription(Track("en", (Cue(0.5, 1.5, self.text, words),)), "shout")
"""


def test_an_engine_of_another_distribution(talk, tmp_path, monkeypatch):
    site = tmp_path / "site"
    installed(site, "dubkit-shout", "shout", "dubkit_shout", SHOUT)
    env = {"PYTHONPATH": site}
    ran = dubkit(talk, "--subs", "--transcriber", "shout", "-o", "shout.times=2", env=env)
    assert ran.status == 0, ran
    assert "Hello. Hello." in ran.paths[0].read_text()
    monkeypatch.syspath_prepend(site)
    listed = called("plugins").out
    assert "shout            dubkit-shout 1.0   it needs a rest" in listed


def test_a_name_that_two_claim(talk, tmp_path):
    site = tmp_path / "site"
    installed(site, "dubkit-one", "shout", "one", SHOUT)
    installed(site, "dubkit-two", "shout", "two", SHOUT)
    ran = dubkit(talk, "--subs", "--transcriber", "shout", env={"PYTHONPATH": site})
    assert_refused(ran, 2, "dubkit-one 1.0", "dubkit-two 1.0", "uninstall")
    ours = tmp_path / "ours"
    installed(ours, "dubkit-three", "faster-whisper", "three", SHOUT)
    ran = dubkit(talk, "--subs", env={"PYTHONPATH": ours})
    assert_refused(ran, 2, "faster-whisper", "dubkit-three 1.0")


@pytest.mark.parametrize(
    ("code", "status", "words"),
    [
        (
            "import a_package_nobody_has",
            4,
            ["a_package_nobody_has", 'pip install "dubkit-bad[bad]"'],
        ),
        ("raise RuntimeError('no luck')", 6, ["no luck", "dubkit-bad", "pip install"]),
        ("Other = 1", 6, ["Engine"]),
        ("raise SystemExit", 6, ["dubkit-bad"]),
    ],
)
def test_an_installed_engine_that_cannot_be_imported(code, status, words, talk, tmp_path):
    site = tmp_path / "site"
    installed(site, "dubkit-bad", "bad", "dubkit_bad", code)
    env = {"PYTHONPATH": site}
    assert_refused(dubkit(talk, "--subs", "--transcriber", "bad", env=env), status, *words)
    assert_nothing_made(talk.parent)


def test_a_broken_engine_breaks_no_list(tmp_path, monkeypatch):
    site = tmp_path / "site"
    installed(
        site,
        "dubkit-bad",
        "bad",
        "bad_check",
        "from dubkit import Transcriber\nclass Engine(Transcriber):\n  contract = 2\n"
        "  def check(self): 1 / 0\n  def transcribe(self): pass",
    )
    installed(site, "dubkit-gone", "gone", "dubkit_gone", "import a_package_nobody_has")
    monkeypatch.syspath_prepend(site)
    ran = called("plugins")
    assert ran.status == 0, ran
    assert "division by zero" in ran.out and 'pip install "dubkit-gone[gone]"' in ran.out


# ---------------------------------------------------------------- settings


def engine(tmp_path, fields: str) -> str:
    path = tmp_path / "set.py"
    path.write_text(
        "from __future__ import annotations\n"
        "from dataclasses import dataclass, field\nfrom pathlib import Path\n"
        "from dubkit import Transcriber\n"
        f"@dataclass\nclass Set(Transcriber):\n    contract = 2\n    {fields}\n"
        "    def transcribe(self, audio, **more): pass\n"
    )
    return f"{path}:Set"


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("x: int = 1", "5", 5),
        ("x: float = 1", "0.5", 0.5),
        ("x: str = ''", "a=b", "a=b"),
        ("x: bool = False", "Yes", True),
        ("x: bool = True", "off", False),
        ("x: int | None = 1", "", None),
        ("x: int | None = None", "3", 3),
        ("x: Path = Path()", "a/b", Path("a/b")),
    ],
)
def test_settings_become_the_fields_types(field, text, value, tmp_path):
    assert engines.load(Transcriber, engine(tmp_path, field), {"x": text}).x == value


def test_settings_that_cannot_be(tmp_path):
    spec = engine(tmp_path, "x: int = 1\n    y: int = field(default=0, init=False)")
    for settings, words in [
        ({"x": "one"}, r"Set\.x is a number, not 'one'"),
        ({"y": "1"}, "Set has no setting 'y'"),
        ({"z": "1"}, "Set has no setting 'z'"),
    ]:
        with pytest.raises(UsageError, match=words):
            engines.load(Transcriber, spec, settings)


def test_kinds_of_failures_from_python(tmp_path):
    path = tmp_path / "x.py"
    path.write_text("import a_package_nobody_has")
    with pytest.raises(MissingDependency):
        engines.load(Transcriber, f"{path}:X")
    path.write_text("1 / 0")
    with pytest.raises(PluginError):
        engines.load(Transcriber, f"{path}:X")


def test_identity_imports_nothing_and_sees_changes(tmp_path):
    spec = engine(tmp_path, "x: str = ''")
    model = tmp_path / "model"
    model.mkdir()
    (model / "weights").write_text("1")
    before = set(sys.modules)
    first = engines.identity("transcribers", spec, {"x": str(model)})
    assert set(sys.modules) == before
    assert engines.identity("transcribers", spec, {"x": str(model)}) == first
    (model / "weights").write_text("22")
    assert engines.identity("transcribers", spec, {"x": str(model)}) != first
    for text in ("x" * 5_000, "~nobody-at-all/x", "a\0b", "\N{GRINNING FACE}"):
        assert engines.identity("transcribers", spec, {"x": text})["settings"] == {"x": text}


@pytest.fixture
def plugins_readme(tmp_path, monkeypatch):
    """The files of the README of the plugins, each named in its first line, in this folder."""
    readme = Path(__file__).parent.parent / "plugins/README.md"
    if not readme.exists():
        pytest.skip("not in the wheel")
    blocks = re.findall(r"```python\n(# (\w+\.py), .*?)```", readme.read_text(), re.DOTALL)
    assert [name for _, name in blocks] == ["phrases.py", "shout.py", "test_phrases.py"]
    for code, name in blocks:
        (tmp_path / name).write_text(code)
    monkeypatch.chdir(tmp_path)


def test_the_translator_of_the_plugins_readme(plugins_readme):
    code = Path("phrases.py").read_text().splitlines()
    assert sum(bool(line) for line in code) == 12
    Path("talk.en.srt").write_text(
        "1\n00:00:01,000 --> 00:00:02,000\nGood morning.\n\n"
        "2\n00:00:03,000 --> 00:00:04,000\nNobody knows this one.\n"
    )
    command = ("talk.en.srt", "--to", "es", "--translator", "./phrases.py:Phrases")
    ran = called(*command, "-o", "Phrases.morning=¡Buenas!")
    assert ran.status == 9 and "¡Buenas!" in ran.paths[0].read_text(), ran
    assert "Nobody knows" in ran.paths[0].read_text() and "1 of 2" in ran.err
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "test_phrases.py"], capture_output=True, text=True
    )
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout


def test_the_transcriber_of_the_plugins_readme(talk, plugins_readme):
    ran = called(talk, "--subs", "--transcriber", "./shout.py:Shout", "-o", "Shout.text= Good bye.")
    assert ran.status == 0 and "Good bye." in ran.paths[0].read_text()
    testing.conforms("transcribers", "./shout.py:Shout", speech=talk)


def test_identity_knows_the_source_and_the_environment_but_no_secret(tmp_path, monkeypatch):
    spec = engine(tmp_path, "x: str = ''")

    def now():
        return engines.identity("transcribers", spec, {})

    first = now()
    monkeypatch.setenv("SET_API_KEY", "hush")
    assert now() == first
    monkeypatch.setenv("SET_BASE_URL", "http://127.0.0.1:1/v1")
    assert now() != first
    monkeypatch.delenv("SET_BASE_URL")
    engine(tmp_path, "x: str = 'another prompt'")
    assert now() != first


def test_identity_knows_the_modules_beside_the_engine(tmp_path, monkeypatch):
    site = tmp_path / "site"
    package = site / "dubkit_near"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "prompts.py").write_text("TEXT = 'one'\n")
    (package / "other.py").write_text("")
    code = "from . import prompts\nclass Engine:\n  pass\n"
    installed(site, "dubkit-near", "near", "dubkit_near.engine", code)
    (package / "engine.py").write_text(code)
    monkeypatch.syspath_prepend(site)
    first = engines.identity("transcribers", "near", {})
    (package / "other.py").write_text("1")
    assert engines.identity("transcribers", "near", {}) == first
    (package / "prompts.py").write_text("TEXT = 'two'\n")
    assert engines.identity("transcribers", "near", {}) != first
    assert "dubkit_near.engine" not in sys.modules


def test_an_engine_that_leaves_out_what_it_must_have(tmp_path):
    path = tmp_path / "half.py"
    path.write_text(
        "from dubkit import Translator\nclass Half(Translator):\n    contract = 2\n"
        "    def translate(self, request): pass\n"
    )
    with pytest.raises(PluginError, match="supports"):
        engines.load(Translator, f"{path}:Half")
    path.write_text("class Half:\n    def translate(self, request): pass\n")
    with pytest.raises(PluginError, match=r"is not a translator: it has no .*supports"):
        engines.load(Translator, f"{path}:Half")


@pytest.mark.parametrize(
    "failure, told",
    [
        (ValueError("no such voice"), "speaker x failed: no such voice"),
        (TimeoutError(), "speaker x failed: TimeoutError"),
        (SystemExit(3), "speaker x failed: 3"),
    ],
)
def test_what_a_guarded_engine_raises_is_told(failure, told):
    with pytest.raises(PluginError) as caught, engines.guarded("speaker x failed", "do this"):
        raise failure
    assert (caught.value.message, caught.value.hint) == (told, "do this")


@pytest.mark.parametrize("failure", [UsageError("a", "b"), KeyboardInterrupt()])
def test_what_a_guard_lets_through(failure):
    with pytest.raises(type(failure)), engines.guarded("speaker x failed", "do this"):
        raise failure
