"""What stands where, what may import what, in which words, and what an installation promises."""

import ast
import graphlib
import importlib
import importlib.metadata
import re
import subprocess
import sys
import tokenize
import tomllib
import zipfile
from pathlib import Path

import pytest
from command import called

import dubkit
import dubkit_plugins

ROOT = Path(__file__).parent.parent
CORE = Path(dubkit.__file__).parent
PLUGINS = Path(dubkit_plugins.__file__).parent
SOURCES = sorted([*CORE.rglob("*.py"), *PLUGINS.rglob("*.py")])
HEAVY = (
    "torch transformers gradio openai ctranslate2 onnxruntime av numpy faster_whisper "
    "huggingface_hub tokenizers rich.progress pysubs2 budoux filelock imageio_ffmpeg "
    "httpx langcodes py3langid"
).split()
"""What neither ``import dubkit`` nor ``dubkit --help`` may load."""


def imports(path: Path) -> set[str]:
    """Every module that a file imports, at its top or inside functions, absolute."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module or "")
    return names


def loaded(code: str) -> set[str]:
    """The modules in memory after some code."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print('\\n'.join(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import dubkit",
        "import dubkit.cli.main",
        "from dubkit.cli.main import main\nimport contextlib\n"
        "with contextlib.suppress(SystemExit): main(['--help'])",
        "from dubkit import engines; engines.plugins('transcribers')",
        "import dubkit; from dubkit.engines import choose; "
        "choose.transcriber(dubkit.Options(subs=True))",
    ],
)
def test_starting_loads_nothing_heavy(code):
    assert loaded(code) & set(HEAVY) == set()


FLOORS = """
__main__
api
web
cli
pipeline testing
dub lipsync script
translate speech sync
engines
options
subtitles
cues media workspace
system
hooks
languages
installed
files
errors types privacy
"""
"""The rooms of ``dubkit``, from the top floor down: a room imports from lower floors only."""


def rooms_imported(path: Path) -> set[tuple[str, str]]:
    """Every room that a file of the core imports from, with the module."""
    inside = path.relative_to(CORE).with_suffix("").parts
    package = ("dubkit", *inside[:-1])
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.ImportFrom):
            continue
        base = (node.module or "").split(".") if node.module else []
        if node.level:
            base = [*package[: len(package) - node.level + 1], *base]
        if base[:1] == ["dubkit"]:
            modules = [[*base, alias.name] for alias in node.names] if len(base) == 1 else [base]
            # What is left is dubkit.__version__, say: a public name and no room.
            found |= {(one[1], ".".join(one)) for one in modules if one[1] in FLOORS.split()}
    return found


def test_every_room_has_a_floor():
    rooms = {path.stem for path in CORE.iterdir() if path.suffix == ".py"} - {"__init__"}
    rooms |= {path.parent.name for path in CORE.glob("*/__init__.py")}
    assert rooms == set(FLOORS.split())


def test_few_modules_lie_flat():
    flat = {path.stem for path in CORE.glob("*.py")}
    assert flat == set(
        "__init__ __main__ workspace files options hooks languages installed types errors "
        "privacy".split()
    )


@pytest.mark.parametrize("path", sorted(CORE.rglob("*.py")), ids=lambda path: path.name)
def test_imports_point_downward(path):
    """So there is no circle between rooms either."""
    floors = {room: k for k, line in enumerate(FLOORS.split("\n")) for room in line.split()}
    room = path.relative_to(CORE).with_suffix("").parts[0]
    if room == "__init__":  # the public names are gathered from everywhere
        return
    wrong = [
        module
        for other, module in rooms_imported(path)
        if other != room and floors[other] <= floors[room]
    ]
    assert not wrong


def test_no_circle_between_modules():
    """Modules of one room import each other in one direction, too."""
    names = {
        ".".join(path.relative_to(CORE.parent).with_suffix("").parts): path
        for path in CORE.rglob("*.py")
    }
    graph: dict[str, set[str]] = {}
    for name, path in names.items():
        package = name.rpartition(".")[0]
        graph[name] = set()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                base = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = [*base, *((node.module or "").split("."))] if node.level else [node.module]
                whole = ".".join(filter(None, base))
                for alias in node.names:
                    graph[name] |= {f"{whole}.{alias.name}", whole} & set(names)
    list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError


WORN_OUT = re.compile(r"(?<![a-z])(told|anew|heard|said|manieth)(?![a-z])", re.IGNORECASE)
"""Words that stood for too many things: reported, again, transcribed, stated, n-th."""
RIGHT_THERE = {"openai_api/prompt.py": {"said"}}
"""Where people speak, whose words they are."""


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_names_and_messages_are_plain_words(path):
    with path.open("rb") as file:
        kinds = (tokenize.NAME, tokenize.STRING, tokenize.COMMENT)
        texts = [(one.start[0], one.string) for one in tokenize.tokenize(file.readline)
                 if one.type in kinds]  # fmt: skip
    right = RIGHT_THERE.get("/".join(path.parts[-2:]), set())
    found = [(line, word.lower()) for line, text in texts for word in WORN_OUT.findall(text)]
    assert not [(line, word) for line, word in found if word not in right]


@pytest.mark.parametrize("path", sorted(CORE.rglob("*.py")), ids=lambda path: path.name)
def test_the_core_imports_no_plugin(path):
    assert not [name for name in imports(path) if name.split(".")[0] == "dubkit_plugins"]


@pytest.mark.parametrize("path", sorted(PLUGINS.rglob("*.py")), ids=lambda path: path.name)
def test_plugins_import_public_names_alone(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            assert not [alias for alias in node.names if alias.name.startswith("dubkit.")]
        if isinstance(node, ast.ImportFrom) and not node.level and node.module:
            assert not node.module.startswith("dubkit."), node.module
            if node.module == "dubkit":
                assert {alias.name for alias in node.names} <= set(dubkit.__all__)


def test_public_names():
    assert sorted(dubkit.__all__) == dubkit.__all__
    for name in dubkit.__all__:
        value = getattr(dubkit, name)
        if name != "Progress":
            assert value.__doc__ and value.__module__.startswith("dubkit"), name


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_shell(path):
    text = path.read_text("utf-8")
    assert "shell=True" not in text and "os.system" not in text and "os.popen" not in text


def test_every_entry_point_resolves():
    distribution = importlib.metadata.distribution("dubkit")
    points = distribution.entry_points
    assert {point.name for point in points} >= {"dubkit", "faster-whisper", "distil-whisper"}
    for point in points:
        assert callable(point.load()), point
        assert point.group in ("console_scripts", *map(dubkit.engines.group_of, dubkit.hooks.KINDS))


def flags(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", text))


def test_the_reference_and_the_help_name_the_same_options():
    page = ROOT / "docs/reference/options.md"
    if not page.exists():
        pytest.skip("not beside the installed package")
    lines = page.read_text("utf-8").splitlines()
    rows = [line.split("|")[1] for line in lines if line.startswith(("| `-", "| <code>-"))]
    documented = flags(" ".join(rows))
    helped = called("--help").out.partition("what to make:")[2]
    listed = {
        flag
        for line in helped.splitlines()
        if (match := re.match(r"  (-[^ ].*?)(?:  |$)", line))
        for flag in flags(match[1])
    }
    assert len(listed) > 20
    assert documented == listed


def test_contributing_names_what_is_there():
    """Its tree has every room, its paths exist, and its hour of reading is an hour."""
    page = ROOT / "CONTRIBUTING.md"
    if not page.exists():
        pytest.skip("not beside the installed package")
    text = page.read_text("utf-8")
    tree = set(re.findall(r"^ {4,6}([\w./]+)  +\S", text, re.M))
    here = [*CORE.iterdir(), *PLUGINS.iterdir()]
    rooms = {f"{path.name}/" for path in here if (path / "__init__.py").exists()}
    files = {path.name for path in here if path.suffix == ".py"}
    assert rooms | files == tree
    paths = re.findall(r"`((?:dubkit|plugins|tests|docs|examples|\.github)/[^` ]+)`", text)
    assert [path for path in paths if not (ROOT / path).exists()] == []
    hour = re.findall(r"^\| `(.+\.py)` \| \d+ \|", text, re.M)
    assert hour and sum(len((ROOT / path).read_text("utf-8").splitlines()) for path in hour) < 4000


def test_the_version_is_one():
    assert dubkit.__version__ == importlib.metadata.version("dubkit")
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert "version" in pyproject["project"]["dynamic"], "dubkit/__init__.py holds the version"
    changelog = ROOT / "CHANGELOG.md"
    if changelog.exists():
        release = dubkit.__version__.partition(".dev")[0]
        assert f"## {release}, " in changelog.read_text("utf-8")


def test_pre_commit_runs_the_pinned_ruff():
    config = ROOT / ".pre-commit-config.yaml"
    if not config.exists():
        pytest.skip("not beside the installed package")
    pinned = re.search(r"^ruff==(.+)$", (ROOT / "tests/constraints.txt").read_text("utf-8"), re.M)
    hook = re.search(r"ruff-pre-commit\n +rev: v(.+)", config.read_text("utf-8"))
    assert pinned and hook and pinned[1] == hook[1]


@pytest.mark.slow
def test_the_wheel_has_both_packages(tmp_path):
    if not (ROOT / "dubkit").is_dir():
        pytest.skip("not in a checkout")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path]
    if not importlib.util.find_spec("hatchling"):
        command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "-q", "-w", tmp_path]
    subprocess.run([*command, ROOT], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    wanted = {
        f"{package.name}/{path.relative_to(package).as_posix()}"
        for package in (ROOT / "dubkit", ROOT / "plugins/dubkit_plugins")
        for path in package.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert {"dubkit/py.typed", "dubkit_plugins/py.typed"} <= wanted <= names
    tops = {name.split("/")[0] for name in names}
    assert tops == {"dubkit", "dubkit_plugins", f"dubkit-{dubkit.__version__}.dist-info"}
    licenses = {Path(name).name for name in names if "licenses" in name}
    assert licenses >= {"LICENSE", "NOTICE"}
