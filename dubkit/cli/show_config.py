"""``dubkit config``: which files set what, and which value holds; and the user's trust in one."""

from __future__ import annotations

from collections.abc import Sequence

from dubkit.errors import UsageError
from dubkit.system.terminal import as_json, printable

from . import config
from .config import ConfigFile, Setting
from .parser import Parser


def config_parser() -> Parser:
    """What ``dubkit config`` takes."""
    parser = Parser(
        prog="dubkit config",
        description="Where dubkit.toml files are, what each sets, and which value holds. With "
        "trust, agree to what the file of this folder sets, as it is now.",
        allow_abbrev=False,
        add_help=False,
    )
    parser.add_argument("action", nargs="?", choices=("show", "trust"), default="show")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("-h", "--help", action="help", help="show this")
    return parser


def config_command(arguments: Sequence[str]) -> int:
    """``dubkit config``: show the files and the values; ``dubkit config trust``: trust one."""
    given = config_parser().parse_args(list(arguments))
    if given.action == "trust":
        _trust()
    files = config.read_all()
    if given.json:
        print(as_json(_summary(files)))
        return 0
    read = [file.path for file in files]
    for place, path in (("yours", config.user_file()), ("this folder's", config.folder_file())):
        if path is None:
            print(f"{place}: no {config.NAME} here or in a folder around it")
        elif path not in read:
            print(printable(f"{place}: {path}, which does not exist"))
        else:
            _show(place, files[read.index(path)])
    if values := holding(files):
        print("\nUnless the command line says otherwise:")
        width = max(len(one.text) for one, _ in values)
        for one, file in values:
            line = f", line {one.line}" if one.line else ""
            print(printable(f"  {one.text:<{min(width, 40)}}  from {file.path}{line}"))
    return 0


def _show(place: str, file: ConfigFile) -> None:
    print(printable(f"{place}: {file.path}"))
    for one in file.settings:
        print(printable(f"  {one.text}"))
    if file.refused:
        keys = ", ".join(one.key for one in file.refused)
        print(printable(f"  not trusted, so runs here are refused for: {keys}"))
        print("  if you trust it: dubkit config trust")


def _trust() -> None:
    near = config.folder_file()
    if near is None:
        raise UsageError(
            f"there is no {config.NAME} in this folder or around it", "cd to the folder that has it"
        )
    config.trust(config.read(near, own=False))


def holding(files: Sequence[ConfigFile]) -> list[tuple[Setting, ConfigFile]]:
    """What holds of all that the files set, and may, with the file that it is from."""
    found: dict[str, tuple[Setting, ConfigFile]] = {}
    for file in files:
        for one in file.accepted:
            found.setdefault(one.key, (one, file))
    return list(found.values())


def _summary(files: Sequence[ConfigFile]) -> dict[str, object]:
    own, near = config.user_file(), config.folder_file()
    return {
        "user": str(own) if own else None,
        "folder": str(near) if near else None,
        "files": [
            {
                "path": str(file.path),
                "trusted": file.is_trusted,
                "settings": [_entry(one, refused=one in file.refused) for one in file.settings],
            }
            for file in files
        ],
        "values": [{**_entry(one), "path": str(file.path)} for one, file in holding(files)],
    }


def _entry(one: Setting, **more: object) -> dict[str, object]:
    return {"key": one.key, "value": one.given, "line": one.line or None, **more}
