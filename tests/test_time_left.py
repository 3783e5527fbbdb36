"""How far a run is: its steps, and the time that those to come still take."""

import json
import time

import pytest
from command import FAST, called, dubkit

from dubkit.cli.console import Console
from dubkit.pipeline.time_left import LAPTOP, Other, Plan, Step, keep_pace, read_paces

MEDIA = 60.0


class Clock:
    """The time, as a test wants it."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


def seconds(kind: str) -> float:
    start, each = LAPTOP[kind]
    return start + each * MEDIA


def a_plan(path, clock, *names: str, **done: bool) -> Plan:
    plan = Plan(path / "paces.json", clock)
    plan.expect([Step(name, MEDIA, needed=not done.get(name.split()[0])) for name in names])
    return plan


def work(plan: Plan, clock: Clock, name: str, spent: float, *, before: float = 0.0) -> None:
    """A step that takes ``spent`` seconds, after an earlier run has done the share ``before``."""
    with plan.during(name):
        for part in range(11):
            plan.report(name, MEDIA * (before + (1 - before) * part / 10), MEDIA)
            clock.now += spent / 10 if part < 10 else 0


def test_the_time_left_counts_the_steps_to_come(tmp_path, clock):
    plan = a_plan(tmp_path, clock, "audio", "transcribe", "mux")
    assert plan.seconds_left() == pytest.approx(sum(map(seconds, ("audio", "transcribe", "mux"))))
    assert (plan.step, plan.steps) == (1, 3)
    work(plan, clock, "audio", seconds("audio"))
    with plan.during("transcribe"):
        assert (plan.step, plan.steps) == (2, 3)
        plan.report("transcribe", 0, MEDIA)
        for part in range(1, 6):  # at the end of half of it, twice as slow as on a laptop
            clock.now += 3
            plan.report("transcribe", MEDIA * part / 10, MEDIA)
        assert plan.seconds_left() == pytest.approx(15 + seconds("mux"), rel=0.1)
    assert plan.seconds_left() == pytest.approx(seconds("mux"))


def test_what_an_earlier_run_did_is_no_speed_of_this_one(tmp_path, clock):
    plan = a_plan(tmp_path, clock, "transcribe", "mux")
    with plan.during("transcribe"):
        clock.now += 4  # loading
        plan.report("transcribe", 54, MEDIA)
        clock.now += 30
        plan.report("transcribe", 57, MEDIA)
        assert plan.resumed == (104, 0.9)
        assert 15 < plan.seconds_left() - seconds("mux") < 30  # 30 by its pace alone
    work(plan, clock, "mux", 1)
    assert set(read_paces(tmp_path / "paces.json")) == {"mux"}  # a tenth shows no pace


def test_lines_that_are_passed_over_in_a_moment_are_an_earlier_runs(tmp_path, clock):
    plan = a_plan(tmp_path, clock, "speak pt")
    with plan.during("speak pt"):
        for part in range(50):
            plan.report("speak pt", MEDIA * part / 100, MEDIA)
            clock.now += 0.02
        clock.now += 5
        plan.report("speak pt", MEDIA * 0.5, MEDIA)
        clock.now += 5
        plan.report("speak pt", MEDIA * 0.6, MEDIA)
        assert plan.resumed[1] == pytest.approx(0.49)


def test_no_step_takes_less_than_no_time():
    lines: list[str] = []
    console = Console(quiet=False, verbose=False, write=lines.append)
    with console, console.job("film") as plan:
        for name in ("mix", "mux"):
            with plan.during(name):  # it begins before the end of the step before is shown
                time.sleep(0.06)
                for done in (0, 60):
                    plan.report(name, done, MEDIA)
                    console.progress(name, done, MEDIA)
    assert lines[1:] == [
        "Mixing: 1:00 of media in 0.0 s",
        "Writing the video: 1:00 of media in 0.0 s",
    ]


def test_a_slow_step_moves_only_those_of_its_kind(tmp_path, clock):
    names = ["translate pt", "speak pt", "translate es", "mux"]
    plan = a_plan(tmp_path, clock, *names)
    others = seconds("speak") + seconds("mux")
    work(plan, clock, "translate pt", 2 * seconds("translate"))
    assert plan.seconds_left() == pytest.approx(others + 2 * seconds("translate"))


def test_a_step_that_is_overdue_is_not_over(tmp_path, clock):
    plan = a_plan(tmp_path, clock, "match voices")
    with plan.during("match voices"):
        clock.now += seconds("match voices")
        assert plan.seconds_left() == pytest.approx(0, abs=0.01)
        clock.now += 20
        assert plan.seconds_left() == pytest.approx(3)


def test_a_machine_learns_what_its_steps_take(tmp_path, clock):
    for _ in range(3):
        plan = a_plan(tmp_path, clock, "audio", "transcribe")
        work(plan, clock, "audio", seconds("audio") * 4)
        work(plan, clock, "transcribe", seconds("transcribe") / 10)
    plan = a_plan(tmp_path, clock, "audio", "transcribe")
    took = seconds("audio") * 4 + seconds("transcribe") / 10
    assert plan.seconds_left() == pytest.approx(took, rel=0.01)
    # The average follows a machine that becomes slower.
    keep_pace(tmp_path / "paces.json", "audio", 8.0)
    assert read_paces(tmp_path / "paces.json")["audio"] == pytest.approx(6.0, rel=0.01)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[1]", "null", '{"audio": "fast", "mux": NaN, "mix": -1, "burn": true, "speak": 1e9}',
     "[" * 100_000],
)  # fmt: skip
def test_a_damaged_file_of_paces_is_replaced(tmp_path, clock, text):
    file = tmp_path / "paces.json"
    file.write_text(text)
    assert read_paces(file) == {}
    work(a_plan(tmp_path, clock, "audio"), clock, "audio", 1.0)
    assert set(json.loads(file.read_text())) == {"audio"}


def test_a_cache_that_cannot_be_written_stops_nothing(tmp_path, clock):
    (tmp_path / "file").write_text("")
    plan = Plan(tmp_path / "file/paces.json", clock)
    plan.expect([Step("audio", MEDIA)])
    work(plan, clock, "audio", 1.0)
    assert plan.seconds_left() == 0


def test_steps_that_are_done_do_not_count_until_they_are_done_again(tmp_path, clock):
    names = ["translate pt", "speak pt", "mix", "mux"]
    plan = a_plan(tmp_path, clock, *names, translate=True, speak=True, mix=True)
    assert plan.steps == 1
    work(plan, clock, "speak pt", 5)  # a voice was changed: what follows is made again, too
    assert (plan.step, plan.steps) == (1, 3)
    work(plan, clock, "mux", 1)  # passed over after all
    assert (plan.step, plan.steps, plan.seconds_left()) == (3, 3, 0)


def test_a_download_is_part_of_the_time_left_and_of_no_pace(tmp_path, clock):
    plan = a_plan(tmp_path, clock, "transcribe")
    before = plan.seconds_left()
    with plan.during("transcribe"):
        plan.report("download tiny", 0, 100)
        clock.now += 2
        plan.report("download tiny", 20, 100)
        assert plan.seconds_left() == pytest.approx(before - 2 + 8)
        plan.report("transcribe", MEDIA, MEDIA)
    assert read_paces(tmp_path / "paces.json") == {}


def test_inputs_to_come_take_as_long_as_their_size_says(tmp_path, clock):
    plan = a_plan(tmp_path, clock, "transcribe", "mux", mux=True)
    assert Other(2.5).seconds(plan) == pytest.approx(2.5 * seconds("transcribe"))


def test_another_step_within_one_is_no_progress_of_it(tmp_path, clock):
    plan = a_plan(tmp_path, clock, "translate en")
    with plan.during("translate en"):
        before = plan.seconds_left()
        plan.report("audio", MEDIA, MEDIA)
        assert plan.seconds_left() == before


def test_a_step_without_a_length_shows_no_pace(tmp_path, clock):
    work(Plan(tmp_path / "paces.json", clock), clock, "transcribe", 1000)
    assert read_paces(tmp_path / "paces.json") == {}


def test_a_download_before_any_plan_has_a_time_left(tmp_path, clock):
    plan = Plan(tmp_path / "paces.json", clock)
    assert plan.seconds_left() is None
    plan.report("download film", 0, 100)
    clock.now += 2
    plan.report("download film", 20, 100)
    assert plan.seconds_left() == pytest.approx(8)


def test_a_part_has_steps_of_its_own(talk):
    def steps(*part: str) -> set[int]:
        ran = called(talk, "--subs", "--events", *part, *FAST)
        assert ran.status == 0, ran.err
        events = (json.loads(line) for line in ran.out.splitlines())
        return {one["steps"] for one in events if one["event"] == "progress"}

    assert steps("--range", "1-3") == {4}
    assert steps("--range", "1-3") == set()
    assert steps("--range", "2-5") == {4}
    assert steps() == {4}
    assert steps("--range", "1-4") == {1}  # the words are known; the video differs


def test_events_have_the_step_and_the_time_left(talk, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))  # without what tests before took
    ran = dubkit(talk, "--subs", *FAST, "--events")
    events = [json.loads(line) for line in ran.out.splitlines()]
    progress = [one for one in events if one["event"] == "progress"]
    assert {one["steps"] for one in progress} == {4}
    stages = {one["stage"]: one["step"] for one in progress}
    assert stages == {"audio": 1, "load": 2, "mux": 4}
    assert all(one["seconds_left"] >= 0 for one in progress)
    assert progress[0]["seconds_left"] > progress[-1]["seconds_left"]
    # Only the video is missing.
    talk.with_name("talk.subbed.mp4").unlink()
    ran = dubkit(talk, "--subs", *FAST, "--events")
    progress = [json.loads(line) for line in ran.out.splitlines() if '"progress"' in line]
    assert progress and {(one["step"], one["steps"]) for one in progress} == {(1, 1)}
