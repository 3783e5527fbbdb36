"""What the page is sent after an edit: what has changed, and nothing else."""

import itertools
import json

from hypothesis import given
from hypothesis import strategies as st

from dubkit import Cue, Track
from dubkit.web import drafts
from dubkit.web.states import change, difference, shown, state


@given(st.lists(st.integers(0, 3), max_size=8), st.lists(st.integers(0, 3), max_size=8))
def test_a_difference_leads_from_one_to_the_other(before, after):
    first, last, end = difference(before, after)
    assert [*before[:first], *after[first:end], *before[last:]] == after


texts = st.lists(st.text("ab \n", max_size=90), min_size=1, max_size=6)


def track(texts: list[str]) -> Track:
    starts = itertools.accumulate([1.0] * len(texts))
    return Track("en", tuple(Cue(s, round(s + 0.8 + len(t) % 3 / 10, 1), t)
                             for s, t in zip(starts, texts, strict=True)))  # fmt: skip


@given(texts, texts)
def test_a_state_made_from_another_is_the_same_as_one_made_alone(before, after):
    known = state(track(before), "netflix", 25.0)
    made = state(track(after), "netflix", 25.0, known)
    alone = state(track(after), "netflix", 25.0)
    assert made == alone and made.version == alone.version
    part = change(known, made)
    page = [shown(*one) for one in zip(known.track.cues, known.faults, strict=True)]
    page[part["from"] : part["from"] + part["removed"]] = part["cues"]
    assert page == [shown(*one) for one in zip(made.track.cues, made.faults, strict=True)]


def test_an_edit_of_one_cue_in_thousands_is_small():
    many = track([f"Cue {n} of many" for n in range(2000)])
    known = state(many, "netflix", None)
    cues = (*many.cues[:999], Cue(1000.0, 1000.9, "Another"), *many.cues[1000:])
    part = change(known, state(Track("en", cues), "netflix", None, known))
    assert part["from"] == 999 and len(part["cues"]) == 1 and len(json.dumps(part)) < 400


@given(st.lists(texts, min_size=1, max_size=5), st.booleans())
def test_a_draft_is_read_as_it_was_written(tmp_path_factory, steps, cut):
    path = tmp_path_factory.mktemp("draft") / "draft"
    tracks = [track([" ".join(text.split()) for text in one]) for one in steps]
    lines = [drafts._change(*pair) for pair in itertools.pairwise(tracks)]
    path.write_text('{"of": "base"}\n' + "".join(lines) + ('{"from": 0, "rem' if cut else ""))
    assert drafts._read_draft(path, "base", tracks[0]) == tracks[-1]
