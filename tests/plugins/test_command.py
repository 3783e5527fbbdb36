"""``command``: programs that fail in every way, batches, and workers that keep running."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from media_samples import ffmpeg, frames
from preset_samples import SPEECH, TOOLS, preset, program, read

from dubkit import (
    BatchSynthesizer,
    DubkitError,
    MissingDependency,
    PluginError,
    Reference,
    UsageError,
    Utterance,
    Voice,
)
from dubkit.testing import check_converter, check_synthesizer
from dubkit.testing.samples import write_babble
from dubkit_plugins.tools.command import CommandConverter, CommandLipSyncer, CommandSynthesizer


def speaker(folder: Path, code: str, run: str = "", rest: str = "", **settings: object):
    """One that runs these lines; their arguments are the text and the file to write."""
    argv = [sys.executable, str(program(folder, code)), "{text}", "{out}", "{work}"]
    lines = f"argv = {json.dumps(argv)}\n{run}"
    return CommandSynthesizer(preset=preset(folder, lines, rest), **settings)


def speak(engine: CommandSynthesizer, out: Path, text: str = "Hello.") -> None:
    engine.speak(text, out, language="en", voice=Voice("Ana"), seconds=None, seed=1)


GOOD = "from standin import *\nwrite_wav(sys.argv[2], spoken(sys.argv[1], 16000), 16000)\n"

FAULTS = {
    "it crashes": ("sys.exit('Traceback: CUDA is out of memory')", "status 1.*CUDA is out of"),
    "it is killed": ("os.kill(os.getpid(), 9)", "status -9"),
    "it writes nothing": ("print('all done')", "wrote nothing to .*all done"),
    "it writes an empty file": ("open(sys.argv[2], 'w')", "is empty"),
    "it writes garbage": ("open(sys.argv[2], 'wb').write(bytes(9999))", "cannot be read as sound"),
    "it writes half a head": ("open(sys.argv[2], 'wb').write(b'RIFF')", "cannot be read as sound"),
    "it writes a list of files": (
        "open(sys.argv[2], 'w').write(\"ffconcat version 1.0\\nfile '/etc/passwd'\\n\")",
        "cannot be read as sound",
    ),
    "it makes a folder": ("os.mkdir(sys.argv[2])", "is not a file"),
    "it makes a pipe": ("os.mkfifo(sys.argv[2])", "is not a file"),
    "it links to what is not its own": ("os.symlink('/etc/passwd', sys.argv[2])", "lies outside"),
    "it links to nothing": ("os.symlink('/nothing', sys.argv[2])", "lies outside"),
    "its folder is a link": (
        "os.mkdir(sys.argv[3] + '/a'); os.symlink('/dev/zero', sys.argv[2])", "lies outside"
    ),
    "its file is huge": ("open(sys.argv[2], 'wb').truncate(9_000_000)", "9 MB|more than 3 MB"),
    "it fills the disk": (
        "f = open(sys.argv[3] + '/x', 'wb')\nwhile True: f.write(bytes(99999)); time.sleep(0.001)",
        "more than 3 MB",
    ),
    "it hangs": ("time.sleep(60)", "did not finish in 3 s"),
    "it will not stop": (
        "import signal\nsignal.signal(15, signal.SIG_IGN)\nprint('no', flush=True)\ntime.sleep(60)",
        "did not finish in 3 s.*no",
    ),
    "it talks without end": ("while True: print('x' * 9999)", "did not finish in 3 s"),
    "it talks without a line break": (
        "while True: sys.stdout.write('x' * 9999)", "did not finish in 3 s"
    ),
    "it asks something": ("input('Are you sure? ')", "status 1.*EOF"),
}  # fmt: skip


@pytest.mark.parametrize("case", FAULTS)
def test_what_a_program_does_wrong_is_reported(case: str, tmp_path: Path) -> None:
    code, message = FAULTS[case]
    engine = speaker(
        tmp_path, code, "timeout = 3", '[output]\npath = "{out}"\nlargest = 3\n', retries=0
    )
    began = time.monotonic()
    with pytest.raises(PluginError, match=f"(?s)Any: .*({message})"):
        speak(engine, tmp_path / "out.wav")
    assert time.monotonic() - began < 9
    assert not (tmp_path / "out.wav").exists()


def test_it_is_ended_with_everything_that_it_started(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = (
        "import subprocess\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(note)!r}, 'w').write(str(child.pid))\ntime.sleep(60)"
    )
    with pytest.raises(PluginError, match="did not finish"):
        speak(speaker(tmp_path, code, timeout=1.5), tmp_path / "out.wav")
    assert is_gone(int(note.read_text()))


def is_gone(pid: int) -> bool:
    """Whether a process ends within a little while; a zombie has ended."""
    for _ in range(50):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.1)
    return False


def test_a_process_left_behind_is_not_waited_for(tmp_path: Path) -> None:
    code = GOOD + "import subprocess\nsubprocess.Popen(['sleep', '60'])"
    began = time.monotonic()
    speak(speaker(tmp_path, code), tmp_path / "out.wav")
    assert time.monotonic() - began < 8
    assert read(tmp_path / "out.wav")[1] == 16000


def test_it_is_retried_as_often_as_the_preset_says(tmp_path: Path) -> None:
    note = tmp_path / "tries"
    code = (
        f"tries = open({str(note)!r}, 'a+'); tries.write('x'); tries.seek(0)\n"
        "if len(tries.read()) < 3: sys.exit(1)\n" + GOOD
    )
    with pytest.raises(PluginError):
        speak(speaker(tmp_path, code, "retries = 1"), tmp_path / "out.wav")
    note.unlink()
    speak(speaker(tmp_path, code, "retries = 2"), tmp_path / "out.wav")
    note.unlink()
    speak(speaker(tmp_path, code, retries=2), tmp_path / "out.wav")


def test_a_program_that_is_not_installed(tmp_path: Path) -> None:
    lines = 'argv = ["no-such-program", "{text}", "{out}"]'
    engine = CommandSynthesizer(preset=preset(tmp_path, lines))
    assert "the program no-such-program" in engine.check()[0]
    with pytest.raises(MissingDependency, match="no-such-program"):
        speak(engine, tmp_path / "out.wav")


def test_a_null_byte_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="cannot be run"):
        speak(speaker(tmp_path, GOOD), tmp_path / "out.wav", "a\0b")


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    engine = speaker(tmp_path, GOOD, f'cwd = "{tmp_path}/none"')
    assert f"the folder {tmp_path}/none" in engine.check()[0]
    with pytest.raises(UsageError, match="there is no folder"):
        speak(engine, tmp_path / "out.wav")


def test_a_file_of_an_earlier_run_is_not_used(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    write_babble(home / "old.wav", 1.0, 16000)
    rest = '[output]\nglob = "*.wav"\n'
    engine = speaker(tmp_path, "pass", f'cwd = "{home}"', rest)
    with pytest.raises(PluginError, match="wrote nothing"):
        speak(engine, tmp_path / "out.wav")
    code = "sys.argv[2] = 'new.wav'\n" + GOOD
    speak(speaker(tmp_path, code, f'cwd = "{home}"', rest), tmp_path / "out.wav", "x" * 100)
    assert len(read(tmp_path / "out.wav")[0]) == 7 * 16000
    assert [file.name for file in home.iterdir()] == ["old.wav"]
    # A file that was written again is new.
    code = "sys.argv[2] = 'old.wav'\n" + GOOD
    speak(speaker(tmp_path, code, f'cwd = "{home}"', rest), tmp_path / "out.wav")


def test_runs_that_share_a_folder_run_one_at_a_time(tmp_path: Path) -> None:
    code = (
        f"lock = {str(tmp_path / 'lock')!r}\nos.mkdir(lock)\ntime.sleep(0.3)\nos.rmdir(lock)\n"
        + GOOD
    )
    # Two engines know no more of each other than two runs of dubkit do.
    engines = [speaker(tmp_path, code, f'cwd = "{tmp_path}"') for _ in range(2)]
    failures: list[DubkitError] = []

    def one(number: int) -> None:
        try:
            speak(engines[number % 2], tmp_path / f"{number}.wav")
        except DubkitError as failure:
            failures.append(failure)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_environment_and_request_are_passed_on(tmp_path: Path) -> None:
    code = (
        "import json\nrequest = json.load(open(sys.argv[1]))\n"
        "assert request == {'items': [{'t': 'a \"b\" é', 'n': 1, 's': None}]}, request\n"
        "assert os.environ['LEVEL'] == '7 en' and os.environ['PATH']\n" + GOOD
    )
    argv = [sys.executable, str(program(tmp_path, code)), "{request}", "{out}"]
    lines = (
        f'argv = {json.dumps(argv)}\nenv = {{LEVEL = "7 {{language}}"}}\n'
        'request = {items = [{t = "{text}", n = "{seed}", s = "{seconds}"}]}'
    )
    engine = CommandSynthesizer(preset=preset(tmp_path, lines))
    speak(engine, tmp_path / "out.wav", 'a "b" é')


def test_other_sound_formats_are_converted(tmp_path: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "sine=440:d=1", tmp_path / "made.flac")
    code = f"import shutil; shutil.copy({str(tmp_path / 'made.flac')!r}, sys.argv[3] + '/x.flac')"
    engine = speaker(tmp_path, code, rest='[output]\nglob = "{work}/*.flac"\n')
    speak(engine, tmp_path / "out.wav")
    samples, rate = read(tmp_path / "out.wav")
    assert (len(samples), rate) == (44100, 44100)


# ---------------------------------------------------------------- video


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("-frames:v 20", "made 20 frames of 50"),
        ("-frames:v 50 -s 64x64", "64x64, the shot's 160x120"),
        ("-frames:v 46", ""),
        ("-frames:v 99", ""),
        ("-vn", "cannot be read as video|wrote nothing"),
    ],
)
def test_a_shot_has_as_many_frames_as_before(code: str, message: str, tmp_path: Path) -> None:
    video, audio = tmp_path / "in.mp4", write_babble(tmp_path / "in.wav", 2.0, 16000)
    source = "testsrc=size=160x120:rate=25"
    ffmpeg("-f", "lavfi", "-i", source, "-frames:v", 50, "-pix_fmt", "yuv420p", video)
    from dubkit.media.ffmpeg import ffmpeg_path

    argv = [
        ffmpeg_path(), "-nostdin", "-v", "error", "-stream_loop", "-1", "-i", "{video}",
        "-i", "{audio}", *code.split(), "-t", "5", "-pix_fmt", "yuv420p", "{out}",
    ]  # fmt: skip
    file = preset(tmp_path, f"argv = {json.dumps(argv)}", kind="lipsyncer")
    engine, out = CommandLipSyncer(preset=file), tmp_path / "out.mp4"
    if message:
        with pytest.raises(PluginError, match=message):
            engine.lipsync(video, audio, out, progress=lambda *_: None)
        assert not out.exists()
    else:
        engine.lipsync(video, audio, out, progress=lambda *_: None)
        times = [time for time, _ in frames(out)]
        assert times == pytest.approx([number / 25 for number in range(50)], abs=0.001)


def test_a_converter_of_one_line(tmp_path: Path) -> None:
    from dubkit.media.ffmpeg import ffmpeg_path

    argv = [ffmpeg_path(), "-nostdin", "-i", "{audio}", "-af", "volume=0.5", "{out}"]
    engine = CommandConverter(
        preset=preset(tmp_path, f"argv = {json.dumps(argv)}", kind="converter")
    )
    audio = write_babble(tmp_path / "in.wav", 1.0, 24000)
    engine.convert(audio, tmp_path / "out.wav", voice=Voice())
    assert abs(read(tmp_path / "out.wav")[0]).max() == pytest.approx(
        abs(read(audio)[0]).max() / 2, rel=0.01
    )


# ---------------------------------------------------------------- whose voice


def clips(folder: Path, *pitches: int) -> Voice:
    """A voice given by clips, whose names no shell would take unquoted."""
    found = []
    for number, pitch in enumerate(pitches, 1):
        path = folder / f"clip; {number} é.wav"
        ffmpeg("-f", "lavfi", "-i", f"sine={pitch}:duration=4:sample_rate=44100", path)
        found.append(Reference(path, f"Clip {number}\nsays this.", "pt-BR"))
    return Voice(references=tuple(found))


RECORD = "import json\njson.dump(sys.argv, open('given.json', 'w'))\n"


def test_everything_about_a_clip_reaches_the_program(tmp_path: Path) -> None:
    """As it is and staged, one clip and several, with text and language as the tool names it."""
    home = tmp_path / "home"
    home.mkdir()
    code = (
        RECORD + "from standin import *\n"
        "text, out, clip, spoken_text, tag, *staged = sys.argv[1:]\n"
        "assert read_wav(clip)[1] == 16000, read_wav(clip)[1]\n"
        "assert all(read_wav(one)[1] == 8000 for one in staged)\n"
        "write_wav(out, spoken(text, 16000), 16000)\n"
    )
    argv = [sys.executable, str(program(tmp_path, code)), "{text}", "{out}", "{reference}",
            "{reference_text}", "{reference_language}", ["{references}"]]  # fmt: skip
    stages = (
        '[[stage]]\ninput = "reference"\nto = "in/{id}.wav"\nrate = 16000\n'
        '[[stage]]\ninput = "references"\nto = "{work}/all.wav"\nrate = 8000\n'
    )
    file = preset(tmp_path, f'argv = {json.dumps(argv)}\ncwd = "{home}"', stages)
    cloning = 'clones = true\nlanguages = {en = "en", pt = "Portuguese"}\n'
    file.write_text(file.read_text().replace(SPEECH, f"[speech]\n{cloning}"))
    engine = CommandSynthesizer(preset=file)
    assert engine.clones and engine.voices("en") == ()
    voice = clips(tmp_path, 300, 400, 500)
    before = {one.path: one.path.read_bytes() for one in voice.references}
    engine.speak("Hi.", tmp_path / "o.wav", language="en", voice=voice, seconds=None, seed=1)
    given = json.loads((home / "given.json").read_text())
    assert given[4:6] == ["Clip 1 says this.", "Portuguese"]
    assert [Path(name).name for name in given[6:]] == ["all-1.wav", "all-2.wav", "all-3.wav"]
    assert Path(given[3]).parent == home / "in"
    assert list((home / "in").iterdir()) == []
    assert {path: path.read_bytes() for path in before} == before
    with pytest.raises(UsageError, match="needs a clip of the voice"):
        engine.speak("Hi.", tmp_path / "o.wav", language="en", voice=Voice(), seconds=None, seed=1)


def test_a_converter_that_takes_the_voice_from_clips(tmp_path: Path) -> None:
    code = (
        "from standin import *\n"
        "sound, rate = read_wav(sys.argv[1])\nlike, _ = read_wav(sys.argv[3])\n"
        "write_wav(sys.argv[2], sound * float(np.abs(like).max()), rate)\n"
    )
    argv = [sys.executable, str(program(tmp_path, code)), "{audio}", "{out}", "{reference}"]
    file = preset(tmp_path, f"argv = {json.dumps(argv)}", "[speech]\nclones = true", "converter")
    engine = CommandConverter(preset=file)
    assert engine.clones
    check_converter(engine)
    audio = write_babble(tmp_path / "in.wav", 1.0, 24000)
    engine.convert(audio, tmp_path / "out.wav", voice=clips(tmp_path, 300))
    loudness = abs(read(tmp_path / "out.wav")[0]).max() / abs(read(audio)[0]).max()
    assert loudness == pytest.approx(1 / 8, rel=0.02)  # ffmpeg's sine has an eighth
    with pytest.raises(UsageError, match="needs a clip of the voice"):
        engine.convert(audio, tmp_path / "out.wav", voice=Voice())


# ---------------------------------------------------------------- batches


def utterances(folder: Path, count: int) -> list[Utterance]:
    return [
        Utterance(f"This is number {n}.", folder / f"{n}.wav", "en", Voice("Ana"), None, n)
        for n in range(count)
    ]


BATCH = (
    "import json\nfrom standin import *\n"
    "open('runs', 'a').write('x')\n"
    "request = json.load(open(sys.argv[1]))\n"
    "assert request['rate'] == 16000 and len(request) == 2\n"
    "for item in request['items']:\n"
    "    if 'number 3' in item['text']: continue\n"
    "    if 'number 5' in item['text'] and open('runs').read() != 'xxx': sys.exit('no memory')\n"
    "    write_wav(item['out'], spoken(item['text'], 16000, seed=item['seed']), 16000)\n"
)


def batch(folder: Path, code: str = BATCH, run: str = "", **settings: object) -> CommandSynthesizer:
    argv = [sys.executable, str(program(folder, code)), "{request}"]
    lines = (
        f'how = "batch"\nbatch = 20\nargv = {json.dumps(argv)}\ncwd = "{folder}"\n{run}\n'
        'item = {text = "{text}", out = "{out}", seed = "{seed}"}\nrequest = {rate = 16000}'
    )
    return CommandSynthesizer(preset=preset(folder, lines), **settings)


def test_a_batch_keeps_the_contract(tmp_path: Path) -> None:
    check_synthesizer(batch(tmp_path), language="en")


def test_a_batch_is_one_run_in_which_each_text_may_fail_alone(tmp_path: Path) -> None:
    engine = batch(tmp_path)
    assert isinstance(engine, BatchSynthesizer) and engine.at_once == 20
    texts = utterances(tmp_path, 5)
    faults = engine.speak_all(texts)
    assert (tmp_path / "runs").read_text() == "x"
    assert [bool(fault) for fault in faults] == [n == 3 for n in range(5)]
    assert re.search("Any: .*wrote nothing", faults[3])
    for text in texts[:3]:
        samples, rate = read(text.out)
        assert len(samples) / rate == pytest.approx(0.07 * len(text.text), abs=0.001)
    pitches = [np.abs(np.fft.rfft(read(text.out)[0])).argmax() for text in texts[:3]]
    assert len(set(pitches)) == 3  # each was given its own seed


def test_what_a_batch_did_before_it_failed_is_kept(tmp_path: Path) -> None:
    faults = batch(tmp_path).speak_all(utterances(tmp_path, 8))
    assert [n for n, fault in enumerate(faults) if fault] == [3, 5, 6, 7]
    assert re.search("status 1.*no memory", faults[6])
    (tmp_path / "runs").unlink()
    faults = batch(tmp_path, retries=2).speak_all(utterances(tmp_path, 8))
    assert [n for n, fault in enumerate(faults) if fault] == [3]
    assert (tmp_path / "runs").read_text() == "xxx"


def test_the_timeout_of_a_batch_grows_with_its_texts(tmp_path: Path) -> None:
    slow = BATCH + "    time.sleep(0.5)\n"
    engine = batch(tmp_path, slow, "timeout = 1\nstart_timeout = 1")
    assert not any(engine.speak_all(utterances(tmp_path, 3)))
    engine = batch(tmp_path, BATCH + "time.sleep(60)", "timeout = 0.5\nstart_timeout = 1")
    began = time.monotonic()
    assert all("did not finish in 2 s" in f for f in engine.speak_all(utterances(tmp_path, 2)))
    assert time.monotonic() - began < 8


def test_as_many_programs_run_in_parallel_as_the_preset_allows(tmp_path: Path) -> None:
    note = tmp_path / "note"
    code = f"n = open({str(note)!r}, 'a')\nn.write('+'); n.flush(); time.sleep(0.5)\n"
    engine = speaker(tmp_path, code + GOOD + "n.write('-')", "parallel = 3")
    assert engine.at_once == 3
    texts = utterances(tmp_path, 5)
    assert not any(engine.speak_all(texts))
    assert all(len(read(text.out)[0]) for text in texts)
    running = np.cumsum([1 if sign == "+" else -1 for sign in note.read_text()])
    assert running.max() == 3
    (tmp_path / "one").mkdir()
    assert speaker(tmp_path / "one", GOOD).at_once == 1


def test_ctrl_c_ends_programs_that_run_in_parallel(tmp_path: Path) -> None:
    notes = tmp_path / "pids"
    notes.mkdir()
    code = f"open({str(notes)!r} + '/' + str(os.getpid()), 'w')\ntime.sleep(60)\n"
    file = speaker(tmp_path, code, "parallel = 3\nretries = 5").preset
    script = (
        "import os, time\nfrom pathlib import Path\nfrom dubkit import Utterance, Voice\n"
        "from dubkit_plugins.tools.command import CommandSynthesizer\n"
        f"engine = CommandSynthesizer(preset=Path({str(file)!r}))\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "texts = [Utterance('x', folder / f'{n}.wav', 'en', Voice('Ana')) for n in range(9)]\n"
        "try:\n    engine.speak_all(texts)\nexcept KeyboardInterrupt:\n"
        "    time.sleep(1.5)  # long enough for the others to be started again\n    os._exit(130)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "plugins")},
    )
    for _ in range(150):
        if len(list(notes.iterdir())) == 3:
            break
        time.sleep(0.1)
    time.sleep(0.3)
    child.send_signal(signal.SIGINT)
    assert child.wait(15) == 130
    pids = [int(path.name) for path in notes.iterdir()]
    assert len(pids) == 3 and all(map(is_gone, pids))


# ---------------------------------------------------------------- a worker


def worker(folder: Path, run: str = "", **settings: object) -> CommandSynthesizer:
    argv = [sys.executable, str(TOOLS / "worker.py")]
    lines = (
        f'how = "worker"\nargv = {json.dumps(argv)}\nstart_timeout = 5\n{run}\n'
        'request = {text = "{text}", out = "{out}"}'
    )
    return CommandSynthesizer(preset=preset(folder, lines), **settings)


def pid_of(engine: CommandSynthesizer, folder: Path) -> int:
    note = folder / "pid.txt"
    speak(engine, folder / "out.wav", f"!pid {note}")
    return int(note.read_text())


def test_a_worker_keeps_the_contract(tmp_path: Path) -> None:
    check_synthesizer(worker(tmp_path), language="en")


def test_a_worker_is_started_once(tmp_path: Path) -> None:
    engine = worker(tmp_path)
    pids = {pid_of(engine, tmp_path) for _ in range(3)}
    assert len(pids) == 1
    del engine
    assert is_gone(pids.pop())


@pytest.mark.parametrize(
    ("order", "message", "lives"),
    [
        ("!die", r"the worker ended \(status 3\).*out of memory", False),
        ("!hang", "did not answer in 1 s", False),
        ("!refuse", "the worker reports: I will not", True),
        ("!nothing", "wrote nothing", True),
    ],
)
def test_after_a_failure_the_worker_does_the_next_item(
    order: str, message: str, lives: bool, tmp_path: Path
) -> None:
    engine = worker(tmp_path, "timeout = 1")
    first = pid_of(engine, tmp_path)
    with pytest.raises(PluginError, match=message):
        speak(engine, tmp_path / "out.wav", order)
    assert (pid_of(engine, tmp_path) == first) is lives
    assert lives or is_gone(first)


@pytest.mark.parametrize("order", ["!garbage", "!other x"])
def test_other_output_of_a_worker_is_ignored(order: str, tmp_path: Path) -> None:
    speak(worker(tmp_path), tmp_path / "out.wav", order)


def test_a_worker_may_be_called_from_several_threads(tmp_path: Path) -> None:
    engine = worker(tmp_path, "parallel = 4")

    def one(number: int) -> None:
        speak(engine, tmp_path / f"{number}.wav", "x" * 10 * number)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(1, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lengths = [len(read(tmp_path / f"{number}.wav")[0]) for number in range(1, 6)]
    assert lengths == pytest.approx([0.7 * 16000 * number for number in range(1, 6)])


@pytest.mark.parametrize("end", ["exit", "interrupt"])
def test_a_worker_ends_with_dubkit(end: str, tmp_path: Path) -> None:
    file = worker(tmp_path).preset
    note = tmp_path / "pid.txt"
    script = (
        "import sys\nfrom pathlib import Path\nfrom dubkit import Voice\n"
        "from dubkit_plugins.tools.command import CommandSynthesizer\n"
        f"engine = CommandSynthesizer(preset=Path({str(file)!r}))\n"
        "say = lambda text: engine.speak(text, Path(sys.argv[1]), language='en',\n"
        "    voice=Voice(), seconds=None, seed=1)\n"
        f"say('!pid {note}')\n" + ("say('!hang')\n" if end == "interrupt" else "")
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "out.wav")],
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "plugins")},
    )
    if end == "interrupt":
        for _ in range(100):
            if note.exists() and note.read_text():
                break
            time.sleep(0.1)
        time.sleep(0.5)
        child.send_signal(signal.SIGINT)
    errors = child.communicate(timeout=20)[1]
    assert (b"KeyboardInterrupt" in errors) is (end == "interrupt"), errors
    assert is_gone(int(note.read_text()))


# ---------------------------------------------------------------- devices, and more arguments

SHOWS_ALL = GOOD + (
    "note = open(os.path.join(os.path.dirname(__file__), 'seen'), 'a')\n"
    "note.write(f\"{os.environ.get('CUDA_VISIBLE_DEVICES')} {sys.argv[4:]}\\n\")\n"
)


def test_more_arguments_are_passed_on(tmp_path: Path) -> None:
    engine = speaker(tmp_path, SHOWS_ALL, args="--steps 9 'a b'", devices="3")
    speak(engine, tmp_path / "out.wav")
    assert (tmp_path / "seen").read_text() == "3 ['--steps', '9', 'a b']\n"
    engine = speaker(tmp_path, SHOWS_ALL, set="synthesizer.args=-x 1,converter.args=no")
    speak(engine, tmp_path / "out.wav")
    assert (tmp_path / "seen").read_text().endswith("None ['-x', '1']\n")
    with pytest.raises(UsageError, match="cannot be read"):
        speak(speaker(tmp_path, GOOD, args="'"), tmp_path / "out.wav")


def test_each_device_has_a_run_of_its_own(tmp_path: Path) -> None:
    engine = speaker(tmp_path, "time.sleep(0.3)\n" + SHOWS_ALL, devices="0,1")
    texts = [Utterance("Hi.", tmp_path / f"{n}.wav", "en", Voice("Ana")) for n in range(4)]
    assert engine.at_once == 2 and engine.speak_all(texts) == [""] * 4
    assert {line[0] for line in (tmp_path / "seen").read_text().splitlines()} == {"0", "1"}


def test_each_device_has_a_worker_of_its_own(tmp_path: Path) -> None:
    code = (
        "import json\nfrom standin import *\n"
        "for line in sys.stdin:\n"
        "    asked = json.loads(line); time.sleep(0.2)\n"
        "    size = 16000 + int(os.environ['CUDA_VISIBLE_DEVICES'])\n"
        "    write_wav(asked['out'], spoken('x' * 20, 16000)[:size], 16000)\n"
        "    print(json.dumps({'id': asked['id'], 'ok': True}), flush=True)\n"
    )
    argv = [sys.executable, str(program(tmp_path, code))]
    lines = f'how = "worker"\nargv = {json.dumps(argv)}\nrequest = {{out = "{{out}}"}}'
    engine = CommandSynthesizer(preset=preset(tmp_path, lines), devices="0,1")
    texts = [Utterance("Hi.", tmp_path / f"{n}.wav", "en", Voice("Ana")) for n in range(4)]
    try:
        assert engine.speak_all(texts) == [""] * 4
        assert len(engine._state.workers) == 2
        assert {len(read(one.out)[0]) for one in texts} == {16000, 16001}
    finally:
        engine.close()


def test_a_tool_that_is_alone_in_its_folder_takes_one_device(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="one thing at a time"):
        speaker(tmp_path, GOOD, "exclusive = true", devices="0,1")
    speaker(tmp_path, GOOD, "exclusive = true", devices="1")
