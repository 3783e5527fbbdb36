"""People's edits of cue files, when these are made again."""

from dataclasses import replace

import pytest

from dubkit import subtitles, workspace
from dubkit.pipeline import edits
from dubkit.pipeline.edits import Baseline, merge_edits
from dubkit.subtitles import source as source_text
from dubkit.types import Cue, Track


def track(*texts, language="en", first=0.0, length=2.0):
    return Track(
        language,
        tuple(
            Cue(first + k * length, first + (k + 1) * length - 0.1, text)
            for k, text in enumerate(texts)
        ),
    )


def texts(track):
    return [cue.text for cue in track.cues]


ENGLISH = track("one", "two", "three", "four")
SPANISH = track("uno", "dos", "tres", "cuatro", language="es")


def changed(track, number, **values):
    cues = list(track.cues)
    cues[number - 1] = replace(cues[number - 1], **values)
    return replace(track, cues=tuple(cues))


def without(track, *numbers):
    return replace(
        track, cues=tuple(cue for k, cue in enumerate(track.cues, 1) if k not in numbers)
    )


def test_an_edit_is_kept_if_another_source_cue_changes():
    edited = changed(SPANISH, 2, text="MIO")
    now = Baseline(changed(ENGLISH, 4, text="five"), changed(SPANISH, 4, text="cinco"))
    merged = merge_edits(Baseline(ENGLISH, SPANISH), edited, now)
    assert texts(merged.track) == ["uno", "MIO", "tres", "cinco"]
    assert merged.lost == 0 and merged.outdated == ()


def test_an_edit_whose_own_source_cue_changes_is_kept_with_a_warning():
    edited = changed(SPANISH, 2, text="MIO")
    now = Baseline(changed(ENGLISH, 2, text="too"), changed(SPANISH, 2, text="también"))
    merged = merge_edits(Baseline(ENGLISH, SPANISH), edited, now)
    assert texts(merged.track) == ["uno", "MIO", "tres", "cuatro"]
    assert merged.outdated == (2,)


def test_an_edit_moves_with_its_source():
    edited = changed(SPANISH, 3, text="MIO")
    moved = track("zero", "one", "two", "three", "four", first=-0.0)
    now = Baseline(moved, track("cero", "uno", "dos", "tres", "cuatro", language="es"))
    merged = merge_edits(Baseline(ENGLISH, SPANISH), edited, now)
    assert texts(merged.track) == ["cero", "uno", "dos", "MIO", "cuatro"]
    assert merged.track.cues[3].start == now.track.cues[3].start


def test_edited_times_move_with_the_source():
    cue = SPANISH.cues[2]
    edited = changed(SPANISH, 3, start=cue.start + 0.3)
    later = replace(
        ENGLISH, cues=tuple(replace(c, start=c.start + 5, end=c.end + 5) for c in ENGLISH.cues)
    )
    translated = replace(
        SPANISH, cues=tuple(replace(c, start=c.start + 5, end=c.end + 5) for c in SPANISH.cues)
    )
    merged = merge_edits(Baseline(ENGLISH, SPANISH), edited, Baseline(later, translated))
    assert merged.track.cues[2].start == pytest.approx(cue.start + 5.3)
    assert merged.track.cues[1] == translated.cues[1]


def test_an_edit_of_another_text_at_nearly_the_same_time_is_kept():
    edited = changed(ENGLISH, 2, text="What I say, I say.")
    cue = replace(ENGLISH.cues[1], text="Other words", start=ENGLISH.cues[1].start + 0.1)
    now = replace(ENGLISH, cues=(ENGLISH.cues[0], cue, *ENGLISH.cues[2:]))
    merged = merge_edits(Baseline(ENGLISH, ENGLISH), edited, Baseline(now, now))
    assert texts(merged.track)[1] == "What I say, I say." and not merged.lost


def test_joined_split_added_and_deleted_cues_stay_so():
    both = replace(SPANISH.cues[0], end=SPANISH.cues[1].end, text="uno dos")
    half = replace(SPANISH.cues[3], end=7.0)
    other = replace(SPANISH.cues[3], start=7.0)
    edited = replace(SPANISH, cues=(both, half, other))
    now = Baseline(
        changed(ENGLISH, 3, text="THREE"), changed(SPANISH, 3, text="TRES"),
    )  # fmt: skip
    merged = merge_edits(Baseline(ENGLISH, SPANISH), edited, now)
    assert merged.lost == 0
    # The third was deleted, and stays so although its source has changed.
    assert merged.track.cues == (both, half, other)


def test_an_edit_whose_place_is_gone_is_counted():
    edited = changed(changed(SPANISH, 2, text="MIO"), 4, text="TUYO")
    now = Baseline(without(ENGLISH, 2), without(SPANISH, 2))
    merged = merge_edits(Baseline(ENGLISH, SPANISH), edited, now)
    assert texts(merged.track) == ["uno", "tres", "TUYO"]
    assert merged.lost == 1


def test_edits_of_split_cues_stay_together():
    source = track("a long one", "two", length=6.0)
    first = [Cue(0.0, 2.9, "largo"), Cue(3.0, 5.9, "muy largo")]
    made = Track("es", (*first, Cue(6.0, 11.9, "dos")))
    edited = changed(made, 2, text="MIO")
    now = Baseline(changed(source, 2, text="three"), changed(made, 3, text="tres"))
    merged = merge_edits(Baseline(source, made), edited, now)
    assert texts(merged.track) == ["largo", "MIO", "tres"]


def test_a_sentence_is_not_made_of_two_halves():
    source = track("He went home,", "and it was late.", "Then he slept.")
    made = track("Se fue a casa", "y era tarde.", "Luego durmió.", language="es")
    edited = changed(made, 2, text="ya muy tarde.")
    now = Baseline(
        changed(source, 2, text="and it was dark."),
        track("Se fue a casa y", "estaba oscuro.", "Luego durmió.", language="es"),
    )
    merged = merge_edits(Baseline(source, made), edited, now)
    assert texts(merged.track) == ["Se fue a casa", "ya muy tarde.", "Luego durmió."]
    # A change in another sentence has no effect.
    now = Baseline(changed(source, 3, text="He slept."), changed(made, 3, text="Durmió."))
    merged = merge_edits(Baseline(source, made), edited, now)
    assert texts(merged.track) == ["Se fue a casa", "ya muy tarde.", "Durmió."]
    assert merged.outdated == ()


def test_without_edits_the_new_cues_are_used():
    now = Baseline(track("a", "b"), track("x", "y", language="es"))
    assert merge_edits(Baseline(ENGLISH, SPANISH), SPANISH, now).track == now.track
    assert merge_edits(Baseline(ENGLISH, SPANISH), SPANISH, now).lost == 0


def test_a_step_keeps_edits_again_and_again(tmp_path):
    path = tmp_path / "w/cues.es.json"

    def step(source, translated, key):
        def make(part):
            part.write_text(subtitles.render(translated, "json"))
            return ()

        with workspace.open_workspace(tmp_path / "w") as work:
            edits.step(work, path.name, key, make, source=source)
            return work.warnings

    step(ENGLISH, SPANISH, "1")
    path.write_text(subtitles.render(changed(SPANISH, 1, text="MIO"), "json"))
    for key, word in (("2", "cinco"), ("3", "seis")):
        source, translated = changed(ENGLISH, 4, text=word), changed(SPANISH, 4, text=word)
        assert step(source, translated, key) == []
        assert texts(source_text.read_edited(path)) == ["MIO", "dos", "tres", word]
    assert not list(path.parent.glob("*.edited*"))
    warnings = step(changed(ENGLISH, 1, text="ONE"), SPANISH, "4")
    assert len(warnings) == 1 and "es: cue 1: " in warnings[0]
    warnings = step(without(ENGLISH, 1), without(SPANISH, 1), "5")
    assert "your edit is in cues.es.json.edited" in warnings[-1]
    assert texts(source_text.read_edited(path)) == ["dos", "tres", "cuatro"]
    assert "MIO" in (path.parent / "cues.es.json.edited").read_text()


def test_a_damaged_baseline_leaves_the_edit_in_a_file_beside(tmp_path):
    def make(part):
        part.write_text(subtitles.render(SPANISH, "json"))
        return ()

    for key, junk in (("1", None), ("2", "{"), ("3", '{"key": "2"}'), ("4", "[]")):
        with workspace.open_workspace(tmp_path / "w") as work:
            path = edits.step(work, "cues.es.json", key, make, source=ENGLISH)
            assert len(work.warnings) == (key != "1")
        path.write_text(path.read_text().replace("dos", f"MIO{key}"))
        if junk is not None or key == "1":
            (path.parent / ".cues.es.json.made").write_text(junk or "")
    assert len(list(path.parent.glob("*.edited*"))) == 3
