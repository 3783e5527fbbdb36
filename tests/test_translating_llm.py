"""``--to`` with a language model behind a real HTTP server that does everything servers do."""

import json
import re

import pytest
from command import FAST, assert_refused, called, start
from llm_server import LLMServer

from dubkit import Cue, Track, subtitles

WORDS = "garden river window letter bridge summer doctor village market mountain".split()
LINES = [
    f"Number {k} went to the {WORDS[k % 10]} and {WORDS[k % 7]} with {k + 30} friends."
    for k in range(100, 160)
]
"""Each with a number of its own, by which it is known again in any language."""


def written(path, lines):
    cues = (Cue(k * 6, k * 6 + 5.5, line) for k, line in enumerate(lines))
    path.write_text(subtitles.render(Track("en", tuple(cues)), "srt"))
    return path


@pytest.fixture
def srt(tmp_path):
    return written(tmp_path / "film.en.srt", LINES)


@pytest.fixture
def short(tmp_path):
    """The first 24 lines, which QUICK puts into two requests."""
    return written(tmp_path / "film.en.srt", LINES[:24])


def told(server, *command):
    """The command in this process, told of the server by its environment."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in server.env.items():
            patch.setenv(name, value)
        return called(*command)


def translated(server, srt, *options, fails=False):
    """Run it, and see that every cue is there, in its place, translated or told as failed."""
    ran = told(server, srt, "--to", "es", "--json", *options)
    assert "Traceback" not in ran.err, ran
    (result,) = ran.json["results"]
    (translation,) = result["translations"]
    nothing = len(translation["failed"]) == translation["lines"]
    assert ran.status == (8 if nothing else 9 if translation["failed"] else 0), ran
    failed = {cue for line in translation["failed"] for cue in line["cues"]}
    source, made = subtitles.read(srt), subtitles.read(srt.with_name("film.es.srt"))
    assert [(c.start, c.end) for c in made.cues] == [(c.start, c.end) for c in source.cues]
    for number, (cue, line) in enumerate(zip(made.cues, LINES[: len(source.cues)], strict=True), 1):
        text = " ".join(cue.text.split())
        assert re.findall(r"\d+", text) == re.findall(r"\d+", line) or number in failed
        assert (text == line) == (number in failed), (number, text)
    assert bool(failed) == fails, translation["failed"]
    assert bool(failed) == any("could not be translated" in w for w in result["warnings"])
    assert all(line["reason"] for line in translation["failed"])
    return translation


QUICK = ("-o", "openai.timeout=1.5", "-o", "openai.retries=2", "-o", "openai.batch=12")


@pytest.mark.parametrize(
    "script",
    [
        ["429 1"], ["429"], ["500", "503 1"], ["hang 3"], ["drip 4"], ["drop"], ["reset"],
        ["drop-body"], ["stale", "", "stale"], ["html"], ["garbage"], ["stream"], ["error-200 503"],
        ["cut"], ["cut"] * 4, ["filter"], ["filter-400"], ["refusal"], ["prose"], ["", "prose"],
        ["blank"], ["fences"] * 9, ["chatty"] * 9, ["plain-object"], ["copy"], ["french"],
        ["", "french", "french"], ["empty-line"], ["missing"], ["doubled"], ["invented"],
        ["shifted"], ["lost-numbers"], ["long"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_what_goes_wrong_once_is_made_good(script, short):
    with LLMServer(script=script) as server:
        translation = translated(server, short, *QUICK)
    assert translation["lines"] == 24 and translation["usage"]["output_tokens"] > 100


@pytest.mark.parametrize(
    "script", ["prose", "french", "garbage", "stream", "blank", "missing", "500", "drop", "copy"]
)
def test_what_goes_wrong_always_ends_and_is_told(script, tmp_path):
    srt = written(tmp_path / "film.en.srt", LINES[:8])
    with LLMServer(script=lambda number, body: script) as server:
        few = ("-o", "openai.timeout=1.5", "-o", "openai.retries=0", "-o", "openai.batch=4")
        translation = translated(server, srt, *few, fails=True)
        assert len(server.chats) < 60
    assert len(translation["failed"]) == 8 or script == "missing"


@pytest.mark.parametrize("how", ["400", "finish"])
def test_a_filter_refuses_one_line_and_not_the_others(how, srt):
    with LLMServer(banned="117", banned_as=how) as server:
        translation = translated(server, srt, fails=True)
        (line,) = translation["failed"]
        assert line["cues"] == [18] and "content filter" in line["reason"]
        asked = len(server.chats)
        server.banned = ""
        again = translated(server, srt)
        assert again["cached"] == 59 and len(server.chats) == asked + 1
        assert list(server.chats[-1].lines) == ["18"]


def test_a_second_run_calls_nothing_and_an_edit_calls_for_its_neighbourhood(srt):
    with LLMServer() as server:
        translated(server, srt)
        asked = len(server.requests)
        assert told(server, srt, "--to", "es").status == 0
        assert len(server.requests) == asked
        changed = LINES[29].replace("went", "ran")
        srt.write_text(srt.read_text().replace(LINES[29], changed))
        assert told(server, srt, "--to", "es").status == 0
        (chat,) = [r for r in server.requests[asked:] if r in server.chats]
        assert list(chat.lines) == ["28", "29", "30", "31", "32"]


def test_another_model_prompt_or_server_is_another_translation(short, tmp_path):
    prompt = tmp_path / "prompt.txt"
    with LLMServer(models=["one", "two"]) as server, LLMServer() as other:
        runs = [
            (server, ()),
            (server, ("-o", "openai.model=two")),
            (server, ("-o", f"openai.prompt={prompt}")),
            (server, ("-o", f"openai.prompt={prompt}")),
            (other, ()),
        ]
        for number, (where, options) in enumerate(runs):
            prompt.write_text(f"Be number {number}.")
            before = len(where.chats)
            assert told(where, short, "--to", "es", *options).status == 0
            assert sum(len(chat.lines) for chat in where.chats[before:]) == 24, number


def test_requests_run_at_once_within_what_is_set(srt):
    with LLMServer(delay=0.2) as server:
        translated(server, srt, "-o", "openai.parallel=3", "-o", "openai.batch=5")
        assert server.most == 3
    with LLMServer(delay=0.05) as server:
        translated(server, srt, "-o", "openai.parallel=1", "-o", "openai.batch=5", "--force")
        assert server.most == 1


def test_what_a_request_carries(srt, tmp_path):
    terms = tmp_path / "terms.csv"
    terms.write_text("garden,jardín\n")
    with LLMServer() as server:
        translated(server, srt, "--glossary", terms, "--tone", "like a pirate", "--context",
                   "About numbers.", "-o", "openai.parallel=1")  # fmt: skip
        second = server.chats[1]
    message = json.loads(second.user)
    assert message["glossary"] == {"garden": "jardín"} and message["summary"]
    assert [n["text"] for n in message["before"]] == LINES[14:20]
    assert all(n["translation"] for n in message["before"])
    assert [n["text"] for n in message["after"]] == LINES[40:43]
    assert [line["id"] for line in message["lines"]] == [str(k) for k in range(21, 41)]
    assert all(60 < line["max_chars"] <= 84 for line in message["lines"])
    assert "like a pirate" in second.system and "About numbers." in second.system
    assert "subtitles" in second.system and "Spanish (es)" in second.system


@pytest.mark.parametrize("schema", ["no", "ignored"])
def test_a_server_without_schemas(schema, srt):
    with LLMServer(schema=schema) as server:
        translated(server, srt)
        assert sum(chat.form == "schema" for chat in server.chats) <= 4
        assert server.chats[-1].form == "numbered"


def test_cost_is_told(srt):
    with LLMServer() as server:
        prices = ("-o", "openai.input_price=1", "-o", "openai.output_price=2")
        dry = told(server, srt, "--to", "es", "--dry-run", *prices)
        assert dry.status == 0 and "about $0.00" in dry.out and server.requests == []
        translation = translated(server, srt, *prices)
    usage = translation["usage"]
    assert usage["cost"] == pytest.approx(
        (usage["input_tokens"] + 2 * usage["output_tokens"]) / 1e6
    )
    assert usage["requests"] == len(server.chats)


# ---------------------------------------------------------------- what no retry can mend


def test_a_wrong_key_or_an_unknown_model_fails_before_the_sound_is_touched(talk, monkeypatch):
    with LLMServer(key="right", models=["good"], strict=True) as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("OPENAI_API_KEY", "wrong-and-secret")
        ran = called(talk, "--subs", "--to", "es", *FAST)
        assert_refused(ran, 2, "refuses the key", "OPENAI_API_KEY")
        assert "wrong-and-secret" not in ran.err
        monkeypatch.setenv("OPENAI_API_KEY", "right")
        ran = called(talk, "--subs", "--to", "es", "-o", "openai.model=bad", *FAST)
        assert_refused(ran, 2, "no model 'bad'", "good")
        assert not (talk.parent / "talk.dubkit/transcript.json").exists()
        assert not list(talk.parent.rglob("audio.wav"))
        assert called(talk, "--subs", "--to", "es", "--no-video", *FAST).status == 0
    ran = called(talk, "--to", "fr", *FAST)  # nobody is there any more
    assert_refused(ran, 4, "no server answers at")


def test_the_key_is_in_no_file(srt, tmp_path):
    with LLMServer(key="hush-hush-4711", script=["tell-key 400", "", "tell-key 500"]) as server:
        told(server, srt, "--to", "es", "-v")
        ran = told(server, srt, "--to", "fr", "-v")
    assert "hush-hush-4711" not in ran.out + ran.err
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or b"hush-hush-4711" not in path.read_bytes(), path


@pytest.mark.alone
def test_stopped_while_a_server_hangs(srt):
    from command import interrupt, wait_for

    with LLMServer(script=lambda number, body: "hang 60" if number > 1 else "") as server:
        child = start(srt, "--to", "es", "-o", "openai.parallel=1", env=server.env)
        wait_for(lambda: len(server.chats) >= 2)
        ran, took = interrupt(child)
        assert ran.status == 130 and took < 2, ran
        server.script = []
        assert translated(server, srt)["cached"] == 20
