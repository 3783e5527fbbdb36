"""``dubkit setup`` and what it leaves for runs and the doctor, on a tool in a wheel made here."""

import shutil
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from command import assert_refused, called

from dubkit.cli import config, setup
from dubkit.engines import choose
from dubkit.errors import PluginError, UsageError
from dubkit.system import environments
from dubkit_plugins.tools import presets

HERE = "{}.{}".format(*sys.version_info[:2])
TOOL = f'''
kind = "synthesizer"
name = "Tiny"
licence = "MIT (program); for nobody (model)"
homepage = "https://example.org"
commercial = false

[settings]
python = "~/nowhere/bin/python"

[needs]
python = ["{HERE}"]
packages = ["tinytool==1.0"]
size = 3
run = ["{{python}}", "-c", "import tinytool"]
settings = {{ python = "{{python}}" }}

[[needs.weights]]
name = "Tiny model"
source = "https://example.org/model"
licence = "for nobody"
size = 2500
get = ["{{python}}", "-m", "tinytool"]

[speech.languages]
en = "en"

[run]
python = "{{settings.python}}"
argv = ["{{python}}", "-m", "tinytool", "{{text}}"]

[output]
path = "{{out}}"
'''


def write_wheel(folder: Path, code: str = "") -> None:
    """A package ``tinytool`` that writes a file beside itself when it is run."""
    folder.mkdir(exist_ok=True)
    info = "tinytool-1.0.dist-info"
    with zipfile.ZipFile(folder / "tinytool-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tinytool/__init__.py", code)
        wheel.writestr(
            "tinytool/__main__.py",
            "from pathlib import Path\nPath(__file__).with_name('model').write_text('here')\n",
        )
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tinytool\nVersion: 1.0\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")


@pytest.fixture
def tool(tmp_path, monkeypatch):
    """The preset of the tool among those that come with dubkit, and an index with its wheel."""
    files = presets.shipped_files()
    preset = tmp_path / "presets/tiny_tool.toml"
    preset.parent.mkdir()
    preset.write_text(TOOL)
    monkeypatch.setattr(presets, "shipped_files", lambda: [*files, preset])
    wheels = tmp_path / "wheels"
    write_wheel(wheels)
    for name in ("PIP", "UV"):
        monkeypatch.setenv(f"{name}_NO_INDEX", "1")
        monkeypatch.setenv(f"{name}_FIND_LINKS", str(wheels))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.delenv("DUBKIT_CONFIG", raising=False)
    monkeypatch.setattr(setup, "data_folder", lambda: tmp_path / "data")
    monkeypatch.setattr(config, "config_folder", lambda: tmp_path / "config")
    monkeypatch.chdir(tmp_path)
    return preset


needs_uv = pytest.mark.skipif(environments.uv() is None, reason="uv is not installed")


@needs_uv
def test_a_tool_is_installed_checked_and_set_up(tool, tmp_path):
    ran = called("setup", "tiny-tool", "--yes")
    assert ran.status == 0, ran.err
    assert "NOT for commercial use" in ran.out and "for nobody" in ran.out
    assert "tinytool==1.0" in ran.out and "Tiny model, about 2.5 GB" in ran.out
    assert "Tiny model is not here yet" in ran.out and "--weights" in ran.out
    python = tmp_path / "data/tools/tiny-tool/env" / environments.PROGRAMS / "python"
    written = tomllib.loads((tmp_path / "config/dubkit.toml").read_text())
    assert written == {"tiny-tool": {"python": str(python)}}
    assert not list(tmp_path.glob("data/tools/*/env/**/tinytool/model"))

    ran = called("doctor", "--tts", "tiny-tool")  # by the settings that were written
    assert ran.status == 0 and ran.out.split() == ["ok", "tiny-tool", "ready"]
    ran = called("setup")
    assert next(line for line in ran.out.splitlines() if "tiny-tool" in line).split()[1:5] == [
        "set", "up", "2.5", "GB"
    ]  # fmt: skip

    ran = called("setup", "tiny-tool", "--yes", "--weights")  # only what is left is done
    assert ran.status == 0 and "is installed in" in ran.out and "install its" not in ran.err
    assert list(tmp_path.glob("data/tools/*/env/**/tinytool/model"))
    ran = called("setup", "tiny-tool", "--dry-run")
    assert "It needs the model" not in ran.out


def test_pip_and_venv_do_where_there_is_no_uv(tool, tmp_path, monkeypatch):
    monkeypatch.setattr(environments, "uv", lambda: None)
    what = setup._installation(setup._find("tiny-tool"))
    make, install = setup.plan(what, tmp_path / "x")
    python = str(environments.python_of(tmp_path / "x/env"))
    assert make.argv[1:] == ("-m", "venv", str(tmp_path / "x/env"))
    assert install.argv[:4] == (python, "-m", "pip", "install")
    assert install.argv[-1] == "tinytool==1.0"


def test_nothing_is_installed_without_a_yes(tool, tmp_path):
    ran = called("setup", "tiny-tool")
    assert ran.status == 2 and "without your word" in ran.err and "--yes" in ran.err
    assert "tinytool==1.0" in ran.out  # the plan
    assert called("setup", "tiny-tool", "--dry-run").status == 0
    assert not (tmp_path / "data").exists() and not (tmp_path / "config").exists()
    assert_refused(called("setup", "tiny-tol"), 2, "no tool named 'tiny-tol'", "f5-tts")


@needs_uv
def test_a_failed_step_is_reported_and_the_next_attempt_goes_on(tool, tmp_path):
    (tmp_path / "wheels/tinytool-1.0-py3-none-any.whl").unlink()
    ran = called("setup", "tiny-tool", "--yes")
    assert ran.status == PluginError.exit_status
    assert "install its packages failed" in ran.err and "tinytool" in ran.err.splitlines()[-2]
    assert "goes on where it stopped" in ran.err
    assert not (tmp_path / "config").exists() and "not set up" in called("setup").out
    write_wheel(tmp_path / "wheels")
    ran = called("setup", "tiny-tool", "--yes")
    assert ran.status == 0 and "make its Python environment" not in ran.err


@needs_uv
def test_a_tool_that_does_not_start_is_not_set_up(tool, tmp_path):
    write_wheel(tmp_path / "wheels", "import no_such_module")
    ran = called("setup", "tiny-tool", "--yes")
    assert ran.status == PluginError.exit_status and "No module named 'no_such_module'" in ran.err
    assert not (tmp_path / "config").exists()


def test_an_interrupted_installation_is_not_whole(tool, tmp_path, monkeypatch):
    what = setup._installation(setup._find("tiny_tool"))
    folder = tmp_path / "data/tools/tiny-tool"
    monkeypatch.setattr(setup, "_run", lambda *arguments: None)
    setup._install(what, folder, [setup.Step("do it", ("x",))])
    assert setup._is_whole(folder, what)

    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(setup, "_run", interrupt)
    with pytest.raises(KeyboardInterrupt):
        setup._install(what, folder, [setup.Step("do it again", ("x",))])
    assert not setup._is_whole(folder, what)


def test_a_python_that_is_not_here_is_named(tool, monkeypatch):
    monkeypatch.setattr(environments, "uv", lambda: None)
    tool.write_text(TOOL.replace(f'"{HERE}"', '"3.1", "3.2"'))
    ran = called("setup", "tiny-tool", "--yes")
    assert_refused(ran, 4, "needs Python 3.1 or 3.2", "uv")


def test_a_repository_is_cloned_at_its_commit_and_named_only_then(tool, tmp_path):
    if not shutil.which("git"):
        pytest.skip("git is not installed")
    tool.write_text(TOOL.replace("size = 3", 'git = "https://example.org/it@abc1234"'))
    steps = list(setup.plan(setup._installation(setup._find("tiny-tool")), tmp_path / "x"))
    (clone,) = [one for one in steps if "clone" in one.argv]
    (checkout,) = [one for one in steps if "checkout" in one.argv]
    assert "https://example.org/it" in clone.argv and checkout.argv[-1] == "abc1234"
    assert [one.becomes for one in steps if one.becomes] == [
        (tmp_path / "x/repo.part", tmp_path / "x/repo")
    ]


# ---------------------------------------------------------------- the doctor


def start(tool: Path, run: str, seconds: float, monkeypatch) -> list[str]:
    monkeypatch.setattr("dubkit_plugins.tools.installation.START_SECONDS", seconds)
    tool.write_text(
        TOOL.replace('["{python}", "-c", "import tinytool"]', run).replace(
            "~/nowhere/bin/python", sys.executable
        )
    )
    ran = called("doctor", "--tts", "tiny_tool")
    return [str(ran.status), " ".join(ran.out.split())]


def test_ready_means_that_the_tool_starts(tool, monkeypatch):
    status, text = start(tool, '["{python}", "-c", "pass"]', 60, monkeypatch)
    assert (status, text) == ("0", "ok tiny-tool ready")
    status, text = start(
        tool, """["{python}", "-c", "print('first'); import no_such_module"]""", 60, monkeypatch
    )
    assert status == "1" and "does not start" in text and "no_such_module" in text
    endless = '["{python}", "-c", "import time; time.sleep(600)"]'
    status, text = start(tool, endless, 0.5, monkeypatch)
    assert status == "1" and "did not finish in 0.5 s" in text


# ---------------------------------------------------------------- the settings


def test_settings_are_added_to_what_the_file_has(tmp_path):
    path = tmp_path / "dubkit.toml"
    config.write_settings(path, "tiny-tool", {"python": 'C:\\a "b"\\python'})
    assert tomllib.loads(path.read_text()) == {"tiny-tool": {"python": 'C:\\a "b"\\python'}}
    path.write_text('# mine\nsubs = true\n[tiny-tool]  # it\npython = "x"\nspeed = 2\n\n[kokoro]\n')
    config.write_settings(path, "tiny-tool", {"python": "y"})
    config.write_settings(path, "other", {"repo": "z"})
    text = path.read_text()
    assert text.startswith("# mine\nsubs = true\n[tiny-tool]  # it\n")
    assert tomllib.loads(text) == {
        "subs": True, "tiny-tool": {"python": "y", "speed": 2}, "kokoro": {}, "other": {"repo": "z"}
    }  # fmt: skip


@pytest.mark.parametrize("text", ["not toml", 'tiny-tool = { python = "x" }\n'])
def test_a_file_that_cannot_be_changed_stays_as_it_is(text, tmp_path):
    path = tmp_path / "dubkit.toml"
    path.write_text(text)
    with pytest.raises(UsageError):
        config.write_settings(path, "tiny-tool", {"python": "y"})
    assert path.read_text() == text


def test_a_file_sets_what_a_tool_is_given(tool, tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config/dubkit.toml").write_text('[tiny-tool]\npython = "/x/python"\n')
    assert config.settings_of("tiny_tool") == {"python": "/x/python"}
    typed = {"tts": "tiny_tool", "dub": True, "to": ("en",), "settings": {}}
    joined = config.combined(typed, config.read_all())
    assert joined["settings"] == {"tiny-tool": {"python": "/x/python"}}
    found = choose.tool("synthesizers", "tiny-tool")
    assert found and "python=/x/python" in found.settings({"python": "/x/python"})["set"]


def test_what_is_got_later_and_too_small_a_disk_are_named_before_the_question(tool, monkeypatch):
    tool.write_text(TOOL.replace("size = 3\n", 'size = 3\ninstall = "a model at first use"\n'))
    monkeypatch.setattr(setup, "_free", lambda folder: 2504.0)
    assert "are free:\n" in called("setup", "tiny-tool", "--dry-run").out
    monkeypatch.setattr(setup, "_free", lambda folder: 2.0)
    ran = called("setup", "tiny-tool")
    assert ran.status == 2 and "without your word" in ran.err
    assert "(about 3 MB); 2 MB are free, which may not be enough" in ran.out
    monkeypatch.setattr(setup, "_free", lambda folder: 2502.0)  # for the program, not for its model
    assert "2.5 GB are free, which may not be enough" in called("setup", "tiny-tool").out
    assert "To know before: a model at first use" in ran.out


def test_a_size_is_of_program_and_models_or_not_given(tool):
    rows = {row["name"]: row for row in called("setup", "--json").json["tools"]}
    assert rows["tiny-tool"]["megabytes"] == 2503
    assert rows["rvc"]["megabytes"] == 0  # that of its models alone would mislead
