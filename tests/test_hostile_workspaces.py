"""Workspaces that a stranger made: nothing outside is touched, nothing hangs, nothing crashes."""

import json
import os
import shutil
import signal
import socket
import time
from pathlib import Path

import pytest
from command import TESTS, assert_refused, called, contents
from dub_samples import LINES

from dubkit import Cue, Track, subtitles, workspace
from dubkit.errors import ForeignWorkspace, InputError, OutputError
from dubkit.files import Made, open_plain, read_json
from dubkit.subtitles.bilingual import combine
from dubkit.workspace import open_workspace

COUNT = ("--translator", f"{TESTS}/data/translators.py:Good")
posix = pytest.mark.skipif(os.name != "posix", reason="links and pipes as POSIX has them")
LONGEST = 20
"""Seconds, on a busy machine, for what takes less than one."""


@pytest.fixture(autouse=True)
def no_hang():
    """A pipe that nobody writes to would block for ever."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def ring(number, frame):
        raise AssertionError("it hangs")

    signal.signal(signal.SIGALRM, ring)
    signal.alarm(LONGEST)
    yield
    signal.alarm(0)


@pytest.fixture
def victim(tmp_path):
    """A folder with what an attacker hopes to have deleted, changed or read."""
    folder = tmp_path / "victim"
    (folder / "mine.parts").mkdir(parents=True)
    for name in ("1.wav", "2019.wav", "0001-0123456789ab.wav", "download.zip.part", ".lock",
                 "state.json", "mine.parts/thesis.txt", "windows.jsonl"):  # fmt: skip
        (folder / name).write_text(f"of value: {name}")
    before = contents(folder)
    yield folder
    assert contents(folder) == before
    assert (folder / "mine.parts").is_dir()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with a text, its translation, and the workspace of both."""
    folder = tmp_path_factory.mktemp("finished")
    cues = (Cue(k * 3.0, k * 3.0 + 2.0, text) for k, text in enumerate(LINES))
    (folder / "film.en.srt").write_text(subtitles.render(Track("en", tuple(cues)), "srt"))
    ran = called(folder / "film.en.srt", "--to", "es", *COUNT)
    assert ran.status == 0, ran
    return folder


@pytest.fixture
def pack(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "pack")


def run(pack, *options):
    return called(pack / "film.en.srt", "--to", "es", *COUNT, *options)


def put_link(path, victim):
    path.symlink_to(victim / "state.json")


def put_folder_link(path, victim):
    path.symlink_to(victim)


def put_dangling_link(path, victim):
    path.symlink_to(victim / "new.txt")


def put_hard_link(path, victim):
    path.hardlink_to(victim / "state.json")


def put_pipe(path, victim):
    os.mkfifo(path)


def put_socket(path, victim):
    here = Path.cwd()
    os.chdir(path.parent)  # its path may have 108 characters
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def put_endless(path, victim):
    path.symlink_to("/dev/zero")


def put_folder(path, victim):
    (path / "state.json").mkdir(parents=True)


def put_sparse(path, victim):
    with path.open("wb") as file:
        file.truncate(2**40)


def put(content):
    def put_content(path, victim):
        path.write_bytes(content)

    return put_content


POISONS = {
    "a link": put_link,
    "a link to a folder": put_folder_link,
    "a dangling link": put_dangling_link,
    "a hard link": put_hard_link,
    "a pipe": put_pipe,
    "a socket": put_socket,
    "an endless device": put_endless,
    "a folder": put_folder,
    "a terabyte of nothing": put_sparse,
    "deep JSON": put(b"[" * 300_000),
    "deep objects": put(b'{"a":' * 300_000),
    "no text": put(bytes(range(256))),
    "nothing": put(b""),
    "null": put(b"null"),
    "a list": put(b'[1, "x", null, [], {}]'),
    "odd values": put(
        b'{"key": 1, "source": [], "steps": {"x": 1}, "outputs": {"y": null}, "id": 3, '
        b'"owners": {"a": 1}, "text": 1, "language": "en", "segments": [{"start": 1e999}]}'
    ),
    "long numbers": put(b'{"segments": [{"start": 1' + b"0" * 5000 + b"}]}"),
    "half a letter": put(
        b'{"key": "\\ud800", "translation": "\\ud800", "language": "en", "segments": '
        b'[{"start": 0, "end": 1, "text": "\\ud800"}]}\n'
    ),
    "paths": put(b"../victim/1.wav\n/etc/passwd\n..\n.\n\n\x00\nvictim\n"),
}
TEXTS = ("state.json", ".owner", ".made", "text.en.json", ".text.en.json.made", "cues.es.json",
         ".cues.es.json.made", "translations.es.jsonl", "report.json")  # fmt: skip
OTHERS = (".lock", "dub.es", "new.bin")
ODD_VALUES = ("null", "a list", "odd values", "half a letter")
"""JSON, so each file's own reader must refuse it; the rest is refused where any file is opened or
parsed."""


def _poisoned(poison: str) -> tuple[str, ...]:
    """The names of the files that it is put in place of."""
    if poison in ODD_VALUES:
        return TEXTS
    if POISONS[poison].__name__ == "put_content":
        return "state.json", ".made", "translations.es.jsonl"
    return "state.json", "cues.es.json", *OTHERS


ANY = [(name, poison) for poison in POISONS for name in _poisoned(poison)]


@posix
@pytest.mark.parametrize(("name", "poison"), ANY)
def test_any_file_of_a_workspace_may_be_anything(name, poison, pack, victim):
    place = pack / "film.en.srt.dubkit" / name
    place.unlink(missing_ok=True)
    POISONS[poison](place, victim)
    for options in (("--dry-run",), ("--bilingual",)):
        ran = run(pack, *options)
        assert ran.status in (0, 2, 3, 7), ran
        assert "Traceback" not in ran.err
        if ran.status:
            assert_refused(ran, ran.status)
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
    ran = run(pack, "--adopt", "--force")
    assert ran.status == 0, ran
    assert (pack / "film.es.srt").read_text().count("-->") == len(LINES)


@posix
@pytest.mark.parametrize("place", ["film.en.srt.dubkit", "film.en.srt.dubkit/dub.es",
                                   "film.en.srt.dubkit/references",
                                   "film.en.srt.dubkit/mine/of/old"])  # fmt: skip
def test_no_link_is_followed(place, pack, victim):
    path = pack / place
    if path.exists():
        shutil.rmtree(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(victim)
    assert_refused(run(pack), 3, "is a link", str(path.name))
    assert_refused(run(pack, "--adopt", "--force"), 3, "is a link")


def test_only_what_is_recorded_is_deleted(tmp_path, victim):
    folder = tmp_path / "w"
    with open_workspace(folder) as work:
        own = work.folder_for("transcribe", "k")
    mine = [folder / name for name in ("my.part", "my.part.mp4", "transcribe-mine.parts/x.txt")]
    for path in mine:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    with open_workspace(folder) as work:
        work.folder_for("transcribe", "k2")
        assert not own.exists()
        # A folder that dubkit did not make is not trusted, even at the right name.
        assert work.folder_for("transcribe", "mine").name == "transcribe-mine-2.parts"
        work.drop_folders()
        work.drop("my.part")
    assert all(path.read_text() == "mine" for path in mine)


@posix
def test_what_has_taken_the_place_of_a_recorded_file_is_not_deleted(tmp_path, victim):
    made = Made(tmp_path)
    made.add("a", "b", "c")
    for name in ("", ".", "..", "../victim", "victim/1.wav", "/etc", "C:x", "x\n.."):
        with pytest.raises(ValueError, match="not the name"):
            made.add(name)
    (tmp_path / "a").symlink_to(victim)
    (tmp_path / "b").symlink_to(victim / "1.wav")
    made.remove("a", "b", "c", "..", "../victim", "victim/1.wav")
    assert Made(tmp_path).matching("*") == []
    assert (tmp_path / "a").is_symlink() and (tmp_path / "b").is_symlink()


def test_a_record_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path):
    (tmp_path / ".made").write_bytes(b"one\ntw")
    Made(tmp_path).add("three")
    assert Made(tmp_path).matching("*") == ["one", "tw", "three"]


@posix
def test_plain_files_alone_are_read(tmp_path, victim):
    for name, poison in POISONS.items():
        path = tmp_path / name
        poison(path, victim)
        if name.startswith("a hard") or poison.__name__ in ("put_content", "put_sparse"):
            open_plain(path).close()
        else:
            with pytest.raises(OSError, match=r"link|folder|plain|No such device"):
                open_plain(path)
        with pytest.raises((OSError, ValueError)):
            if not isinstance(read_json(path), dict | list | None):
                raise ValueError
            raise ValueError


# ---------------------------------------------------------------- whose it is


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """From here on, this is another machine."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("HOME", str(tmp_path / "elsewhere"))


def test_a_workspace_that_was_moved_renamed_or_copied_goes_on(pack, tmp_path):
    moved = pack.rename(tmp_path / "moved")
    (moved / "film.en.srt").rename(moved / "movie.en.srt")
    (moved / "film.en.srt.dubkit").rename(moved / "movie.en.srt.dubkit")
    for folder in (moved, shutil.copytree(moved, tmp_path / "copied")):
        ran = called(folder / "movie.en.srt", "--to", "es", *COUNT, "--json")
        assert ran.status == 0, ran
        assert not [step for step in ran.json["timings"] if step.startswith("translate")]


@pytest.mark.usefixtures("elsewhere")
def test_a_workspace_from_elsewhere_is_asked_about_once(pack):
    before = contents(pack)
    assert_refused(run(pack), 2, "on another machine", "--adopt")
    assert contents(pack) == before
    ran = run(pack, "--adopt", "--json")
    assert ran.status == 0, ran
    assert not [step for step in ran.json["timings"] if step.startswith("translate")]
    assert run(pack).status == 0


def test_both_machines_own_it_from_then_on(tmp_path, monkeypatch):
    def use(machine, **more):
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / machine))
        monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / machine))
        monkeypatch.setenv("HOME", str(tmp_path / machine))
        with open_workspace(tmp_path / "w", **more) as work:
            work.write_json("consent.json", {})
            return work.is_made_here("consent.json")

    assert use("one")
    with pytest.raises(ForeignWorkspace):
        use("two")
    assert use("two", adopt=True) and use("one") and use("two")


@pytest.mark.usefixtures("elsewhere")
def test_an_adopted_workspace_gives_no_right_to_delete_nor_a_consent(pack):
    folder = pack / "film.en.srt.dubkit"
    for name in ("audio.wav", "consent.json"):
        (folder / name).write_text("{}")
    (folder / "dub.es").mkdir()
    (folder / "dub.es/.made").write_text("0001-a.wav\n")
    (folder / "dub.es/0001-a.wav").write_text("theirs")
    (folder / ".made").write_text("audio.wav\nconsent.json\ndub.es\nnotes.part\n")
    (folder / "notes.part").write_text("theirs")
    with open_workspace(folder, adopt=True) as work:
        work.drop("audio.wav")
        work.drop_folders()
        assert not work.is_made_here("consent.json")
        Made(folder / "dub.es").remove("0001-a.wav")
    for name in ("audio.wav", "consent.json", "dub.es/0001-a.wav", "notes.part"):
        assert (folder / name).exists(), name


def test_a_secret_is_kept_and_is_nobody_elses(pack, tmp_path, elsewhere):
    with open_workspace(tmp_path / "w") as work:
        work.write_json("transcript.json", {})
    (secret,) = (tmp_path / "elsewhere").rglob("secret")
    if os.name == "posix":
        assert secret.stat().st_mode & 0o777 == 0o600
        assert secret.parent.stat().st_mode & 0o777 == 0o700
    mark = (tmp_path / "w/.owner").read_text()
    assert secret.read_text() not in mark
    # A mark of one workspace is none of another.
    forged = json.loads(mark)
    forged["id"] = "0" * 32
    (tmp_path / "w/.owner").write_text(json.dumps(forged))
    with pytest.raises(ForeignWorkspace), open_workspace(tmp_path / "w"):
        pass


@posix
def test_without_a_place_for_a_secret_it_works(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    for _ in range(2):
        with open_workspace(tmp_path / "w") as work:
            work.folder_for("transcribe", "k")


# ---------------------------------------------------------------- results


@posix
def test_a_result_that_is_a_link_is_replaced(tmp_path, victim):
    def write(path):
        path.write_text("result")
        return ()

    for number, name in enumerate(("state.json", "new.txt")):
        out = tmp_path / f"talk{number}.srt"
        out.symlink_to(victim / name)
        with open_workspace(tmp_path / "w") as work:
            with pytest.raises(OutputError, match="not made by dubkit"):
                work.output(out, "k", write, force=False)
            work.output(out, "k", write, force=True)
        assert not out.is_symlink() and out.read_text() == "result"


@posix
@pytest.mark.parametrize("poison", [put_pipe, put_socket, put_endless, put_folder])
def test_a_result_that_is_no_file_is_refused(poison, tmp_path, victim):
    out = tmp_path / "talk.srt"
    poison(out, victim)
    with open_workspace(tmp_path / "w") as work:
        work._state["outputs"]["talk.srt"] = {"key": "k", "warnings": [], "sha256": "0", "size": 0}
        with pytest.raises(OutputError, match="was edited since"):
            work.output(out, "k", lambda path: (), force=False)


# ---------------------------------------------------------------- the input


def test_an_input_replaced_during_a_run_is_reported_and_nothing_kept(tmp_path):
    source = tmp_path / "talk.mp4"
    source.write_text("one")

    def replace(path):
        path.write_text("made of what?")
        times = source.stat()
        source.write_text(
            "two" if source.read_text() == "one" else "one"
        )  # as large as it was, and at the same time
        os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))
        return ()

    with open_workspace(tmp_path / "w") as work:
        work.hash_source(source)
        with pytest.raises(InputError, match="was changed while"):
            work.step("x", "k", replace)
        work.hash_source(source)
        with pytest.raises(InputError, match="was changed while"):
            work.output(tmp_path / "out", "k", replace, force=False)
    with open_workspace(tmp_path / "w") as work:
        assert work.outdated("x", "k") and not (tmp_path / "out").exists()
        first = work.hash_source(source)
        source.write_text("three")
        assert work.hash_source(source) != first


def test_an_input_replaced_while_the_command_works_is_reported(pack, tmp_path):
    source = pack / "film.en.srt"
    engine = tmp_path / "swapping.py"
    engine.write_text(
        f"import pathlib, sys\nsys.path.append({str(TESTS / 'data')!r})\n"
        "from translators import Good\n"
        "class Swap(Good):\n"
        "    def translate(self, *arguments, **more):\n"
        f"        pathlib.Path({str(source)!r}).write_text({source.read_text() + chr(10)!r})\n"
        "        return super().translate(*arguments, **more)\n"
    )
    command = (source, "--to", "fr", "--translator", f"{engine}:Swap", "--no-video")
    assert_refused(called(*command), 3, "film.en.srt was changed while")
    assert not (pack / "film.fr.srt").exists()
    assert called(*command).status == 0


def test_an_input_replaced_before_it_was_hashed_is_reported(tmp_path):
    source = tmp_path / "talk.mp4"
    source.write_text("one")
    stamp = workspace.stamp_of(source)
    source.write_text("two!")
    with open_workspace(tmp_path / "w") as work:
        work.expect_source(source, stamp)
        with pytest.raises(InputError, match="was changed while"):
            work.hash_source(source)


@pytest.mark.parametrize("shift", [0, 86_400, -86_400])
def test_no_clock_hides_a_change_between_runs(shift, tmp_path):
    """A file of the same size and time, as two machines' clocks or a coarse file system make."""
    source = tmp_path / "talk.mp4"
    when = time.time() + shift
    hashes = []
    for text in ("one", "two"):
        source.write_text(text)
        os.utime(source, (when, when))
        with open_workspace(tmp_path / "w") as work:
            hashes.append(work.hash_source(source))
            work.step("x", text, lambda path: path.write_text("x") and ())
    assert hashes[0] != hashes[1]


def test_a_copy_beside_its_original_is_the_same_input(pack, tmp_path):
    copied = shutil.copytree(pack, tmp_path / "copied")
    assert run(pack).status == 0
    ran = run(copied, "--json")
    assert ran.status == 0, ran
    other = tmp_path / "other"
    other.mkdir()
    (other / "film.en.srt").write_text((pack / "film.en.srt").read_text() + "\n")
    ran = called(other / "film.en.srt", "--to", "es", *COUNT, "-o", copied)
    assert_refused(ran, 7, "another input of the same name")


# ---------------------------------------------------------------- edits


def test_two_languages_after_a_cue_was_removed(pack):
    cues = pack / "film.en.srt.dubkit/cues.es.json"
    assert run(pack, "--bilingual").status == 0
    whole = json.loads(cues.read_text())
    del whole["segments"][2]
    cues.write_text(json.dumps(whole))
    ran = run(pack, "--bilingual")
    assert ran.status == 0, ran
    shown = (pack / "film.es.srt").read_text()
    assert LINES[2] not in shown and all(line in shown for line in (*LINES[:2], *LINES[3:]))


def test_two_languages_are_paired_by_their_times():
    original = Track("en", tuple(Cue(k, k + 0.9, text) for k, text in enumerate("abcd")))
    joined = Track("es", (Cue(0, 1.9, "AB"), Cue(2, 2.4, "C1"), Cue(2.5, 2.9, "C2")))
    shown = [cue.text for cue in combine(original, joined, "original-first").cues]
    assert shown == ["a\nb\nAB", "c\nC1", "c\nC2"]
    moved = Track("es", (Cue(0, 0.9, "A"), Cue(2, 2.9, "C"), Cue(3, 3.9, "D"), Cue(9, 9.9, "E")))
    shown = [cue.text for cue in combine(original, moved, "translation-first").cues]
    assert shown == ["A\na", "C\nc", "D\nd", "E"]
