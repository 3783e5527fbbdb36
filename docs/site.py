"""What ``mkdocs build`` runs: pages that are documents of the repository, and links between all.

A document at its place in the repository (README, CONTRIBUTING, ...) is a page of the site, too,
so that no fact is written twice. Its links are those of the repository: here they become links
between pages, and one to a file that is no page becomes its words alone. A link to nothing stays,
and ``--strict`` fails.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import griffe
from make_reference import plain
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
ARCHITECTURE = ("Where things are", "Where do I ...", "An hour of reading")
"""Sections of CONTRIBUTING that are a page of their own."""
DOCUMENTS: Mapping[str, str] = {
    "index.md": "README.md",
    "contributing.md": "CONTRIBUTING.md",
    "architecture.md": "CONTRIBUTING.md",
    "guides/plugins.md": "plugins/README.md",
    "guides/presets.md": "examples/presets/README.md",
    "benchmarks.md": "benchmarks/README.md",
    "recognition.md": "benchmarks/recognition.md",
    "changelog.md": "CHANGELOG.md",
    "security.md": "SECURITY.md",
}
"""Pages, and the documents that they are."""
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")

SESSION = re.compile(r"(?m)^(>>> .*(?:\n.+)*)")
"""Lines of Python with what they print."""


def on_files(files: Files, config: Any) -> Files:
    """Add the documents to the pages."""
    for page, source in DOCUMENTS.items():
        text = (ROOT / source).read_text("utf-8")
        files.append(File.generated(config, page, content=_part(page, text)))
    return files


def _part(page: str, text: str) -> str:
    """The sections of a document that a page has."""
    head, *sections = re.split(r"(?m)^(?=## )", text)
    architecture = [one for one in sections if one[3:].startswith(ARCHITECTURE)]
    if page == "architecture.md":
        return "# Architecture\n\n" + "".join(architecture)
    if page == "contributing.md":
        return head + "".join(one for one in sections if one not in architecture)
    return text


def _anchor(title: str) -> str:
    """The anchor of a section."""
    return re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower())


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Turn the links of the repository into those of the site."""
    here = page.file.src_uri
    source = DOCUMENTS.get(here, f"docs/{here}")
    pages = {document: uri for uri, document in reversed(DOCUMENTS.items())}

    def replaced(link: re.Match[str]) -> str:
        image, text, target = link.groups()
        path, anchor, name = target.partition("#")
        if not path or ":" in path:
            return link[0]
        file = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        to = pages.get(file, file.removeprefix("docs/") if file.startswith("docs/") else "")
        if to == "contributing.md" and name in map(_anchor, ARCHITECTURE):
            to = "architecture.md"
        if to and files.get_file_from_path(to):
            there = posixpath.relpath(to, posixpath.dirname(here) or ".")
            return f"{image}[{text}]({there}{anchor}{name})"
        return text if (ROOT / file).exists() and not image else link[0]

    # What is code has no links.
    parts = re.split(r"(?ms)(^```.*?^```)", markdown)
    parts[::2] = [LINK.sub(replaced, part) for part in parts[::2]]
    return "".join(parts)


class PlainDocstrings(griffe.Extension):
    """Shows cross-references in docstrings as names, and sessions as code."""

    def on_object(self, *, obj: griffe.Object, **more: Any) -> None:
        if obj.docstring:
            obj.docstring.value = SESSION.sub(r"```pycon\n\1\n```", plain(obj.docstring.value))
