"""The translation of a track: requests, retries, halves, journal, and that no line is ever lost."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from command import TESTS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dubkit import Cue, Track, TranslationReply, Translator, Usage, UsageError, engines
from dubkit.cues.profiles import limits
from dubkit.translate import checks
from dubkit.translate.translation import (
    GIVE_UP,
    LONGEST_BATCH,
    LONGEST_LINE,
    TranslationJob,
    estimate,
    translate,
)

FILE = TESTS / "data/translators.py"
TEXTS = [
    f"{subject} {verb} {thing} number {k + 10}{mark}"
    for k, (subject, verb, thing, mark) in enumerate(
        (s, v, t, m)
        for s in ("The old fox", "My sister", "Nobody here")
        for v, m in (("has seen", "."), ("would never paint", "!"), ("is looking for", "?"))
        for t in ("the little house", "that green door", "a very long road")
    )
]


def track(texts=TEXTS):
    return Track("en", tuple(Cue(k * 3, k * 3 + 2.5, text) for k, text in enumerate(texts)))


def job(name="Good", target="es", features=None, **options):
    spec = f"{FILE}:{name}"
    values = {key: str(value) for key, value in options.items()}
    return TranslationJob(
        target,
        engines.load(Translator, spec, values),
        name,
        engines.identity("translators", spec, {k: v for k, v in values.items() if k != "how"}),
        limits("netflix", target),
        **(features or {}),
    )


@pytest.fixture
def log(tmp_path, monkeypatch):
    path = tmp_path / "log"
    monkeypatch.setenv("TRANSLATOR_LOG", str(path))

    def read():
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return [json.loads(line) for line in lines if "ids" in json.loads(line)]

    return read


def run(a_job, a_track=None, folder=None, reported=None):
    journal = Path(folder) / "translations.jsonl"
    progress = (lambda *what: reported.append(what)) if reported is not None else (lambda *_: None)
    return translate([a_job], a_track or track(), journal, progress)


def test_every_cue_is_translated_in_its_place(tmp_path):
    reported = []
    made = run(job(), folder=tmp_path, reported=reported)
    assert [(c.start, c.end) for c in made.track.cues] == [(c.start, c.end) for c in track().cues]
    for cue, text in zip(made.track.cues, TEXTS, strict=True):
        number = text.rstrip(".!?").split()[-1]
        assert number in cue.text and cue.text[-1] == text[-1] and cue.text != text
    assert (made.lines, made.cached, made.failed) == (27, 0, ())
    assert made.usage == Usage(6, 60, 30, 3.0)
    stages, done, totals = zip(*reported, strict=True)
    assert set(stages) == {"translate es"} and set(totals) == {totals[0]}
    assert list(done) == sorted(done) and done[-1] == totals[0]


def test_requests_carry_context(tmp_path, log):
    features = {"tone": "formal", "context": "foxes", "glossary": (("fox", "zorro"), ("cow", "x"))}
    run(job(parallel=1, features=features), folder=tmp_path)
    requests = log()
    assert [request["ids"] for request in requests] == [
        [str(n) for n in range(k, min(k + 5, 28))] for k in range(1, 28, 5)
    ]
    for k, request in enumerate(requests):
        first = k * 5
        before = request["before"]
        assert [text for text, _ in before] == TEXTS[max(0, first - 6) : first]
        assert all(translation for _, translation in before)
        assert request["after"] == TEXTS[first + 5 : first + 8]
        assert request["summary"] == (f"so far {first}" if k else "")
        assert (request["tone"], request["context"]) == ("formal", "foxes")
        assert request["glossary"] == ([["fox", "zorro"]] if k < 2 else [])
        assert all(25 <= room <= 84 for room in request["max_chars"])


def test_what_an_engine_does_not_follow_is_not_sent(tmp_path, log):
    features = {"tone": "formal", "context": "foxes", "glossary": (("fox", "zorro"),)}
    made = run(job("Plain", features=features), folder=tmp_path)
    for request in log():
        assert request["before"] == request["after"] == request["glossary"] == []
        assert request["tone"] == request["context"] == request["summary"] == ""
    assert [warning.split(";")[0] for warning in made.warnings] == [
        f"Plain ignores --{option}" for option in ("glossary", "tone", "context")
    ]


def test_marks_are_restored_for_an_engine_that_would_garble_them(tmp_path, log):
    texts = ["<i>All of it is so.</i>", "Some <i>of</i> it is not at all."]
    made = run(job("Plain"), track(texts), folder=tmp_path)
    assert [line for request in log() for line in request["lines"]] == [
        "All of it is so.", "Some of it is not at all."]  # fmt: skip
    first, second = (cue.text for cue in made.track.cues)
    assert first.startswith("<i>") and first.endswith("</i>")
    assert second.count("<i>") == second.count("</i>") == 1


def test_lanes_run_at_once_and_in_order(tmp_path, log):
    run(job(parallel=2, pauses=0.05), folder=tmp_path)
    ids = [[int(id) for id in request["ids"]] for request in log()]
    lanes = [[n for n in ids if n[0] <= 13], [n for n in ids if n[0] > 13]]
    assert all(lane == sorted(lane) and len(lane) >= 3 for lane in lanes)
    starts = [0 if n[0] <= 13 else 1 for n in ids]
    assert starts != sorted(starts)  # they took turns


def test_a_second_run_requests_nothing(tmp_path, log):
    first = run(job(), folder=tmp_path)
    log()
    again = run(job(), folder=tmp_path)
    assert log() == []
    assert again.track == first.track and (again.cached, again.usage) == (27, Usage(cost=0.0))


@pytest.mark.parametrize("place", [0, 13, 26])
def test_an_edit_requests_its_neighborhood(place, tmp_path, log):
    run(job(), folder=tmp_path)
    log()
    texts = [*TEXTS]
    texts[place] = "Something else entirely was said here 77."
    made = run(job(), track(texts), folder=tmp_path)
    asked = sorted(int(id) - 1 for request in log() for id in request["ids"])
    assert asked == [k for k in range(place - 2, place + 3) if 0 <= k < 27]
    assert "77" in made.track.cues[place].text
    assert made.track.cues[(place + 5) % 27].text


def test_an_inserted_cue_moves_nothing_else(tmp_path, log):
    run(job(), folder=tmp_path)
    log()
    run(job(), track([*TEXTS[:9], "And this is new here.", *TEXTS[9:]]), folder=tmp_path)
    assert sum(len(request["ids"]) for request in log()) == 5


def test_whatever_matters_is_requested_again(tmp_path, log):
    run(job(), folder=tmp_path)
    prompt = tmp_path / "prompt.txt"
    prompt.write_text("one")
    for changed in (
        job(features={"tone": "formal"}),
        job(features={"context": "foxes"}),
        job(features={"purpose": "dub"}),
        job(features={"glossary": (("Number", "número"),)}),
        job(prompt=prompt),
        job(target="fr"),
        replace(job(), identity={"other": "version"}),
    ):
        log()
        run(changed, folder=tmp_path)
        assert sum(len(request["ids"]) for request in log()) == 27
    prompt.write_text("another")
    run(job(prompt=prompt), folder=tmp_path)
    assert sum(len(request["ids"]) for request in log()) == 27
    run(job(features={"glossary": (("cow", "vaca"),)}), folder=tmp_path)  # stands in no line
    assert log() == []


# ---------------------------------------------------------------- what goes wrong


FOXES = [k for k, text in enumerate(TEXTS) if "fox" in text]


@pytest.mark.parametrize("how", ["leave out", "empty", "copy", "french", "refuse"])
def test_a_line_that_still_fails_keeps_its_source_and_is_reported(how, tmp_path, log):
    made = run(job("Broken", how=how), folder=tmp_path)
    assert [line.cues for line in made.failed] == [(k + 1,) for k in FOXES]
    for k, (cue, text) in enumerate(zip(made.track.cues, TEXTS, strict=True)):
        assert (cue.text == text) == (k in FOXES)
    reasons = {line.reason for line in made.failed}
    assert all(reasons)
    requests = log()
    # Named to the model, and down to single lines.
    assert any(fault for request in requests for fault in request["faults"]) or how == "refuse"
    assert {request["ids"][0] for request in requests if len(request["ids"]) == 1} >= {
        str(k + 1) for k in FOXES
    }

    # The next run tries just these, and when they come, they come in their places.
    cure = tmp_path / "cure"
    cure.touch()
    well = replace(job("Broken", how=how, cure=cure), identity=job("Broken", how=how).identity)
    again = run(well, folder=tmp_path)
    asked = {int(id) - 1 for request in log() for id in request["ids"]}
    assert asked == set(FOXES) and again.failed == () and again.cached == 27 - len(FOXES)
    assert again.track == run(replace(job(), identity={}), folder=tmp_path / "..").track


def test_a_fault_that_is_named_is_corrected(tmp_path, log):
    made = run(job("Broken", how="once"), folder=tmp_path)
    assert made.failed == ()
    named = [fault for request in log() for fault in request["faults"] if fault]
    assert named == ["it was copied, not translated"] * len(FOXES)


def test_invented_ids_are_ignored(tmp_path):
    made = run(job("Broken", how="invent"), folder=tmp_path)
    assert made.failed == () and "nada" not in made.track.text.lower()


def test_characters_that_no_file_can_hold_are_removed(tmp_path):
    made = run(job("Broken", how="odd characters"), folder=tmp_path)
    assert made.failed == () and not set("\ud83d\x00\x1b\n") & set(
        made.track.text[:-1].replace("\n", "")
    )
    made.track.text.encode()


@pytest.mark.parametrize("how", ["raise", "garbage", "unreachable", "nothing"])
def test_an_engine_that_never_answers_is_given_up_soon(how, tmp_path, log):
    texts = [f"This is line number {k}." for k in range(300)]
    made = run(job("Broken", how=how), track(texts), folder=tmp_path)
    assert len(made.failed) == 300 and made.track.cues[7].text == texts[7]
    assert len(log()) <= 8 * GIVE_UP


def test_what_no_retry_can_fix_is_an_error_and_loses_nothing(tmp_path):
    run(job(), folder=tmp_path)
    longer = track([*TEXTS, *(f"And one more, the {k} of them." for k in range(30, 60))])
    broken = replace(job("Broken", how="fatal"), identity=job().identity)
    with pytest.raises(UsageError, match="taken back"):
        run(broken, longer, folder=tmp_path)
    assert run(job(), longer, folder=tmp_path).cached >= 25


def test_a_journal_that_was_cut_off_or_damaged(tmp_path, log):
    run(job(), folder=tmp_path)
    journal = tmp_path / "translations.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(
        b"".join(lines[:10]) + b"\xff{}\n[]\n" + b"".join(lines[11:20]) + lines[20][:30]
    )
    log()
    made = run(job(), folder=tmp_path)
    assert sum(len(request["ids"]) for request in log()) == 27 - 19
    assert made.failed == () and made.cached == 19
    assert run(job(), folder=tmp_path).cached == 27


def test_nothing_to_translate(tmp_path, log):
    made = run(job(), track(["♪ ♪", "1984", ""]), folder=tmp_path)
    assert [cue.text for cue in made.track.cues] == ["♪ ♪", "1984", ""]
    assert log() == [] and made.lines == 0
    assert run(job(), Track("en", ()), folder=tmp_path).track == Track("es", ())


def test_an_estimate_sends_no_request(tmp_path, log):
    planned, usage = estimate(job(), track(), tmp_path / "translations.jsonl")
    assert (len(planned.todo), usage.requests) == (27, 6)
    run(job(), folder=tmp_path)
    log()
    planned, usage = estimate(job(), track(), tmp_path / "translations.jsonl")
    assert (len(planned.known), planned.todo, usage.requests) == (27, (), 0)
    assert log() == []


def fail(*arguments, **more):
    raise IndexError("it fell over")


@pytest.mark.parametrize("table", ["LINE_CHECKS", "REPLY_CHECKS"])
def test_a_check_that_fails_is_a_warning_and_the_translation_stays(table, tmp_path, monkeypatch):
    good = run(job(), folder=tmp_path)
    for name in getattr(checks, table):
        monkeypatch.setitem(getattr(checks, table), name, fail)
    monkeypatch.setitem(getattr(checks, table), "the newest", fail)
    monkeypatch.setattr(checks, "tidy", fail)
    made = run(replace(job(), identity={"other": "version"}), folder=tmp_path)
    assert made.track == good.track and made.failed == ()
    (warning,) = [one for one in made.warnings if "not checked: the newest" in one]
    assert warning.startswith("es: cue 1, 2, 3, ") and "IndexError('it fell over')" in warning
    assert any("the text was not tidied" in one for one in made.warnings)
    assert run(replace(job(), identity={"other": "version"}), folder=tmp_path).cached == 27


def test_a_fault_in_one_line_is_told_of_that_line(tmp_path, monkeypatch):
    def picky(one):
        return fail() if one.line.id == "7" else None

    monkeypatch.setitem(checks.LINE_CHECKS, "picky", picky)
    made = run(job(), folder=tmp_path)
    (warning,) = made.warnings
    assert made.failed == () and warning.startswith("es: cue 7: not checked: picky (IndexError")


def test_requests_are_bounded(tmp_path, log):
    texts = [f"{'Long ' * 700}{k}." for k in range(30)]
    run(job(batch=30, parallel=1), track(texts), folder=tmp_path)
    for request in log():
        assert sum(map(len, request["lines"])) < LONGEST_BATCH + LONGEST_LINE
        assert all(len(part) <= 500 for pair in request["before"] for part in pair)
        assert all(len(text) <= 500 for text in request["after"])


# ---------------------------------------------------------------- the id protocol

GOOD = job().engine
MUTATIONS = st.lists(
    st.tuples(
        st.sampled_from(
            "drop swap_ids rename blank copy double shift none number french invent long".split()
        ),
        st.integers(0, 100),
        st.integers(0, 100),
    ),
    max_size=4,
)


class MutatingTranslator(Translator):
    """Answers well, and then mutates its reply, in a different way each time."""

    contract = 2

    follows = GOOD.follows
    batch = 6
    parallel = 1

    def __init__(self, plans):
        self.plans = list(plans)

    def supports(self, source, target):
        return True

    def translate(self, request):
        reply = GOOD.translate(request)
        texts = dict(reply.texts)
        ids = list(texts)
        for how, a, b in self.plans.pop(0) if self.plans else ():
            one, other = ids[a % len(ids)], ids[b % len(ids)]
            match how:
                case "drop":
                    texts.pop(one, None)
                case "swap_ids":
                    texts = {id: texts[id] for id in reversed(texts)}
                case "rename":
                    texts[f" {one}."] = texts.pop(one, "x")
                case "blank":
                    texts[one] = " \n"
                case "copy":
                    texts[one] = next(line.text for line in request.lines if line.id == one)
                case "double":
                    texts[one] = texts.get(other, "")
                case "shift":
                    values = list(texts.values())
                    texts = dict(zip(texts, values[1:] + values[:1], strict=True))
                case "none":
                    texts[one] = None
                case "number":
                    texts[one] = texts.get(one) and "Otra cosa dijeron ellos número 5555."
                case "french":
                    texts[one] = "Je ne sais pas du tout ce que vous voulez dire."
                case "invent":
                    texts[str(a + 1000)] = "De la nada."
                case "long":
                    texts[one] = "Y así sin parar y sin fin. " * 30
        return TranslationReply(texts)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(MUTATIONS, max_size=12))
def test_any_mutation_of_a_reply_is_repaired_or_reported(tmp_path_factory, plans):
    texts = TEXTS[:12]
    whole = track(texts)
    folder = tmp_path_factory.mktemp("mutated")
    made = run(replace(job(), engine=MutatingTranslator(plans)), whole, folder=folder)
    failed = {number - 1 for line in made.failed for number in line.cues}
    for k, (cue, text) in enumerate(zip(made.track.cues, texts, strict=True)):
        right = GOOD.answer(text, "es")
        assert (cue.start, cue.end) == (whole.cues[k].start, whole.cues[k].end)
        assert cue.text == (text if k in failed else right)
