"""Expanding the names of inputs to files."""

import os
from pathlib import Path

from dubkit import InputError
from dubkit.cli import inputs


def expand(names, fetch=None):
    return inputs.expand(names, fetch)


def make(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")


def found(folder: Path, *names: str) -> list[str]:
    paths, wrong = expand([str(folder / name) for name in names])
    assert not wrong
    return [str(path.relative_to(folder)) for path in paths]


def test_a_file_is_taken_whatever_its_name(tmp_path):
    make(tmp_path, "b", "a.xyz", "talk.subbed.mp4", ".hidden.mp4")
    names = ["b", "a.xyz", ".hidden.mp4", "missing.mp4"]
    assert found(tmp_path, *names) == names
    assert found(tmp_path, "talk.subbed.mp4") == ["talk.subbed.mp4"]


def test_a_drive_is_no_address():
    assert expand(["C://films/a.mp4"]) == ({Path("C://films/a.mp4"): Path()}, [])


def test_a_folder_gives_its_media_sorted_by_name(tmp_path):
    make(tmp_path, "b.mp4", "a/c.MKV", "a/b.opus", "notes.txt", "talk.srt")
    assert found(tmp_path, ".") == ["a/b.opus", "a/c.MKV", "b.mp4"]


def test_our_own_results_are_not_inputs(tmp_path):
    make(tmp_path, "t.mp4", "t.subbed.mp4", "t.dubbed.mp4", "t.dubkit/audio.wav", "._t.mp4")
    assert found(tmp_path, ".") == found(tmp_path, "**/*") == ["t.mp4"]
    # A pattern that the shell has expanded.
    assert found(tmp_path, "t.mp4", "t.subbed.mp4", "t.dubbed.mp4", "t.dubkit") == ["t.mp4"]


def test_a_film_is_taken_once_whatever_links_to_it(tmp_path, caplog):
    make(tmp_path, "in/z.mp4", "in/b/y.mp4", "out.mp4", "more/c.mp4")
    links = "a.mp4>z.mp4 b/x.mp4>y.mp4 o.mp4>../out.mp4 p.mp4>../out.mp4 loop>. more>../more"
    for name, target in (one.split(">") for one in f"{links} gone.mkv>no gone.txt>no".split()):
        (tmp_path / "in" / name).symlink_to(target)
    with caplog.at_level("INFO"):
        assert found(tmp_path, "in") == ["in/b/y.mp4", "in/o.mp4", "in/z.mp4"]
    notes = {one.getMessage().partition(": ")[2]: one.levelname for one in caplog.records}
    assert notes == {
        "links to films that are taken anyway are left out: a.mp4, b/x.mp4, p.mp4": "INFO",
        "links to folders are not followed; name them to have them: loop, more": "INFO",
        "links to nothing are left out: gone.mkv": "WARNING",
    }
    assert found(tmp_path, "in/a.mp4", "in/more") == ["in/a.mp4", "in/more/c.mp4"]


def places(folder: Path, *names: str) -> list[str]:
    """Where the results of the files go under ``--output``."""
    paths, _ = expand([str(folder / name) for name in names])
    return [place.as_posix() for place in paths.values()]


def test_folders_are_mirrored(tmp_path):
    make(tmp_path, "lec/a/1.mp4", "lec/b/1.mp4", "lec/2.mp4", "more/a/1.mp4")
    assert found(tmp_path, "lec") == ["lec/2.mp4", "lec/a/1.mp4", "lec/b/1.mp4"]
    assert places(tmp_path, "lec") == places(tmp_path, "lec/**/*.mp4") == [".", "a", "b"]
    assert places(tmp_path, "lec/../lec/a") == ["."]
    assert places(tmp_path, "lec", "more") == ["lec", "lec/a", "lec/b", "more/a"]
    # Files named one by one go to the top, unless their results would have the same names.
    assert places(tmp_path, "lec/2.mp4", "lec/a/1.mp4") == [".", "."]
    assert places(tmp_path, "lec/a/1.mp4", "lec/b/1.mp4", "lec/2.mp4") == ["a", "b", "."]
    assert places(tmp_path, "lec/a/1.mp4", "more") == [".", "a"]


def test_addresses_are_fetched_in_their_place(tmp_path):
    make(tmp_path, "a.mp4", "b.mp4", "out/1.mp4", "out/2.mp4")
    failure = InputError("private")

    def fetch(address):
        if "me" in address:
            raise failure
        return [tmp_path / "out/1.mp4", tmp_path / "out/2.mp4"], [("https://x.org/3", failure)]

    named = [str(tmp_path / "b.mp4"), "HTTPS://x.org/list", "https://me:pw@x.org/?a=/@", "a.mp4"]
    found, wrong = expand([*named[:3], str(tmp_path / "a.mp4")], fetch)
    assert [path.name for path in found] == ["b.mp4", "1.mp4", "2.mp4", "a.mp4"]
    assert wrong == [("https://x.org/3", failure), ("https://x.org/?a=/@", failure)]


def test_patterns(tmp_path):
    make(tmp_path, "a1.mp4", "a2.mp4", "b.mp4", "a.txt", "x[1].mp4", "x1.mp4", "d/a3.mp4")
    assert found(tmp_path, "a*") == ["a1.mp4", "a2.mp4"]
    assert found(tmp_path, "[ab]?.mp4") == ["a1.mp4", "a2.mp4"]
    assert found(tmp_path, "**/a*.mp4") == ["a1.mp4", "a2.mp4", "d/a3.mp4"]
    # A file of exactly that name takes precedence over the pattern.
    assert found(tmp_path, "x[1].mp4") == ["x[1].mp4"]


def test_each_once_in_the_order_named(tmp_path):
    make(tmp_path, "a.mp4", "b.mp4", "c.mp4")
    assert found(tmp_path, "c.mp4", ".", "a.mp4", "*.mp4") == ["c.mp4", "a.mp4", "b.mp4"]


def test_home(tmp_path, monkeypatch):
    make(tmp_path, "a.mp4", "~b.mp4")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert list(expand(["~/a.mp4"])[0]) == [tmp_path / "a.mp4"]
    monkeypatch.chdir(tmp_path)
    assert expand(["~b.mp4"]) == ({Path("~b.mp4"): Path()}, [])
    # Files that are really called so, even like another user's folder.
    make(tmp_path, "~root", "~/c.mp4")
    assert list(expand(["~root", "~/c.mp4"])[0]) == [Path("~root"), Path("~/c.mp4")]


def test_names_that_match_nothing_do_not_stop_the_others(tmp_path):
    make(tmp_path, "a.mp4", "docs/notes.txt")
    names = [str(tmp_path / name) for name in ("docs", "*.mkv", "a.mp4")]
    paths, wrong = expand(names)
    assert list(paths) == [tmp_path / "a.mp4"]
    assert [path for path, _ in wrong] == [Path(name) for name in names[:2]]
    for name, (_, failure) in zip(names, wrong, strict=False):
        assert name in failure.message and failure.hint and failure.exit_status == 3


def test_names_that_no_file_can_have(tmp_path):
    for name in ("x" * 5_000, "a\0b", "~nobody-at-all/x.mp4"):
        assert expand([name]) == ({Path(name): Path()}, [])


def test_links_and_pipes(tmp_path):
    make(tmp_path, "real.mp4")
    (tmp_path / "link.mp4").symlink_to(tmp_path / "real.mp4")
    (tmp_path / "broken.mp4").symlink_to(tmp_path / "gone.mp4")
    (tmp_path / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.mp4")
    assert found(tmp_path, ".") == ["real.mp4"]
