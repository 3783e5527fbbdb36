"""The site: pages made from the code are as the code is, and the others say nothing that is not so.

``mkdocs build --strict`` takes too long for here; CI builds it.
"""

import ast
import dataclasses
import importlib.util
import re
import shlex
import sys
from pathlib import Path

import pytest
import yaml
from command import called

import dubkit
from dubkit import engines, hooks, options
from dubkit.cli import parser

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
if not DOCS.exists():
    pytest.skip("not beside the installed package", allow_module_level=True)

WRITTEN = [
    *sorted(one for one in DOCS.rglob("*.md") if one.parent.name != "reference"),
    *(ROOT / name for name in ("README.md", "plugins/README.md", "examples/presets/README.md")),
]
"""Pages that people write."""
LINKED = [
    *WRITTEN,
    *(ROOT / name for name in ("CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "benchmarks").glob("*.md")),
]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.fixture(scope="module")
def make_reference():
    spec = importlib.util.spec_from_file_location("make_reference", DOCS / "make_reference.py")
    module = sys.modules["make_reference"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_is_what_the_code_says(make_reference):
    written = {one.name for one in (DOCS / "reference").iterdir()}
    assert written == set(make_reference.PAGES)
    stale = [
        name
        for name in make_reference.PAGES
        if (DOCS / "reference" / name).read_text("utf-8") != make_reference.render(name)
    ]
    assert not stale, "run: python docs/make_reference.py"


@pytest.mark.parametrize("kind, name", [("translators", "openai"), ("synthesizers", "http")])
def test_settings_that_are_read_are_those_that_an_engine_has(make_reference, kind, name):
    point = engines.find(kind, name).entry_point
    read = make_reference.settings_of(make_reference._module(point.module), point.attr)
    engine = engines.engine_class(hooks.KINDS[kind], name)
    assert list(read) == [one.name for one in dataclasses.fields(engine) if one.init]
    assert all(meaning for _, _, meaning in read.values())


def test_every_page_is_in_the_navigation_and_every_name_has_a_docstring():
    listed = re.findall(r": ([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.M)
    site = ast.parse((DOCS / "site.py").read_text("utf-8"))
    documents = next(
        ast.literal_eval(one.value)
        for one in site.body
        if isinstance(one, ast.AnnAssign) and one.target.id == "DOCUMENTS"
    )
    pages = {str(one.relative_to(DOCS).as_posix()) for one in DOCS.rglob("*.md")}
    assert sorted(listed) == sorted({*pages, *documents})
    assert all((ROOT / one).exists() for one in documents.values())
    aliases = {"Progress"}  # whose docstring Python does not keep
    assert not [name for name in {*dubkit.__all__} - aliases if not getattr(dubkit, name).__doc__]


# ---------------------------------------------------------------- what the pages say


@pytest.mark.parametrize("page", LINKED, ids=name_of)
def test_links_lead_somewhere(page):
    text = re.sub(r"(?ms)^```.*?^```", "", page.read_text("utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        if ":" not in path:
            found = page.parent / path if path else page
            assert found.exists(), target
            assert not anchor or anchor in anchors(found), target


def anchors(page: Path) -> set[str]:
    heads = re.findall(r"(?m)^#+ (.*)", page.read_text("utf-8"))
    return {re.sub(r"[^\w\- ]", "", head).strip().lower().replace(" ", "-") for head in heads}


def commands(page: Path) -> list[str]:
    """The command lines of ``dubkit`` in the blocks of code of a page."""
    text = page.read_text("utf-8").replace("\\\n", " ")
    blocks = re.findall(r"(?ms)^```(?:sh|console|text)?\n(.*?)^```", text)
    blocks += re.findall(r"(?m)^    .*", text)
    found = []
    for line in "\n".join(blocks).splitlines():
        for part in re.split(r"\s&&\s", line.strip().removeprefix("$ ")):
            command = re.sub(r"^(?:\w+=\S+ )+", "", part.strip())
            if command.startswith("dubkit "):
                found.append(command)
    return found


@pytest.mark.parametrize("page", WRITTEN, ids=name_of)
def test_every_command_is_one_that_dubkit_takes(page, make_reference):
    for line in commands(page):
        _, *arguments = shlex.split(line, comments=True)
        if arguments and arguments[0] in make_reference.COMMANDS:
            make_reference.COMMANDS[arguments[0]]().parse_args(arguments[1:])
        elif arguments != ["--version"]:
            given = parser.parse(arguments)
            parser.options_of(given, options.Options)
            assert given.inputs, line


@pytest.mark.parametrize("page", WRITTEN, ids=name_of)
def test_python_in_the_pages_is_python(page):
    for code in re.findall(r"(?ms)^```python\n(.*?)^```", page.read_text("utf-8")):
        tree = ast.parse(code)
        used = {
            one.attr
            for one in ast.walk(tree)
            if isinstance(one, ast.Attribute) and ast.unparse(one.value) == "dubkit"
        }
        assert used <= {*dubkit.__all__, "subtitles"}


def test_the_examples_of_text_are_what_the_commands_make(tmp_path, monkeypatch):
    """Those without a model: files with names, a command, and what it writes under those names."""
    sections = (DOCS / "gallery.md").read_text("utf-8").split("\n## ")
    texts = [one for one in sections if 'title="' in one and "--to" not in one]
    assert len(texts) >= 2
    monkeypatch.chdir(tmp_path)
    for section in texts:
        files = re.findall(r'(?ms)^```\w+ title="([^"]+)"\n(.*?)^```', section)
        given, made = files[0], files[1:]
        Path(given[0]).write_text(given[1], "utf-8")
        (line,) = re.findall(r"(?m)^    dubkit (.*)", section)
        ran = called(*shlex.split(line))
        assert ran.status == 0 and made, ran
        for name, text in made:
            assert Path(name).read_text("utf-8").rstrip() == text.rstrip()
        for warning in re.findall(r"(?ms)^```text\n(.*?)^```", section):
            assert warning in ran.err


def test_the_site_loads_nothing_from_elsewhere():
    made = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))
    assert made["theme"]["font"] is False
    listed = made["extra_css"]
    assert all((DOCS / one).exists() for one in listed) and "extra_javascript" not in made
    assert not any("://" in (DOCS / one).read_text("utf-8") for one in listed)
