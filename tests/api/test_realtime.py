"""Live captions, by OpenAI's own client."""

import contextlib
import itertools
import json
import os
import signal
import wave
from pathlib import Path

import openai
import pytest
import websockets.exceptions
import websockets.sync.client
from api_serving import KEY, serving
from command import AUSTEN, ENGINES, wait_for
from live_client import TEXT, add, captions, configure, connected, of_type, send, sound_of

BUFFER = "input_audio_buffer"


@pytest.fixture(scope="module")
def spoken() -> bytes:
    """Six seconds, of which the first and the last are no speech."""
    return sound_of(AUSTEN)[: 24_000 * 2 * 8] + bytes(24_000 * 2)


def children(pid: int) -> list[int]:
    """The processes that descend from one."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == pid:
                found += [int(path.name), *children(int(path.name))]
    return found


def workers(pid: int) -> list[int]:
    """Those that are the engines of streams."""
    found = []
    for one in children(pid):
        with contextlib.suppress(OSError):
            command = Path(f"/proc/{one}/cmdline").read_text()
            if "dubkit.web.live.worker" in command and "bounded" not in command:
                found.append(one)
    return found


# ---------------------------------------------------------------- a real model


@pytest.mark.slow
def test_the_text_of_a_turn_is_that_of_a_file(real, tmp_path):
    """Whatever was sent while it went on: every turn is transcribed as the same sound in a file."""
    sound = sound_of(AUSTEN, 16_000)
    with connected(real.url) as connection:
        updated = configure(
            connection,
            format={"type": "audio/pcm", "rate": 16_000},
            transcription={"model": "whisper-1", "language": "en"},
        )
        assert updated.session.audio.input.format.rate == 16_000
        events = captions(connection, sound)
    started = of_type(events, f"{BUFFER}.speech_started")
    stopped = of_type(events, f"{BUFFER}.speech_stopped")
    texts = {one.item_id: one.transcript for one in of_type(events, f"{TEXT}.completed")}
    assert len(started) == len(stopped) >= 4
    client = openai.OpenAI(base_url=f"{real.url}/v1", api_key="none", max_retries=0)
    for start, stop in zip(started, stopped, strict=True):
        path = tmp_path / "turn.wav"
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", ""))
            file.writeframes(sound[start.audio_start_ms * 32 : stop.audio_end_ms * 32])
        with path.open("rb") as file:
            whole = client.audio.transcriptions.create(file=file, model="whisper-1", language="en")
        assert texts[start.item_id] == whole.text
    assert "ill-disposed" in " ".join(texts.values()).lower()
    ends = [(one.start, one.end) for one in of_type(events, f"{TEXT}.segment")]
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(ends)) and ends[-1][1] < 28.5


@pytest.mark.slow
def test_words_come_while_somebody_speaks(real):
    """And what was sent of a turn is how its text begins."""
    sound = sound_of(AUSTEN)
    second = 24_000 * 2
    with connected(real.url) as connection:
        configure(connection, transcription={"model": "whisper-1", "language": "en"})
        add(connection, sound[: 5 * second])
        event = connection.recv()
        assert event.type == f"{BUFFER}.speech_started" and event.audio_start_ms < 900
        add(connection, sound[5 * second : 6 * second])
        event = connection.recv()
        assert event.type == f"{TEXT}.delta" and event.delta.startswith("And Mr. John Dashwood")
        sent = event.delta
        send(connection, sound[6 * second :])
        while event.type != f"{TEXT}.completed":
            event = connection.recv()
            sent += event.delta if event.type == f"{TEXT}.delta" else ""
    assert event.transcript == sent and sent.endswith("to do for them.")


# ---------------------------------------------------------------- the protocol


def test_the_events_of_a_turn(server, spoken):
    with connected(server.url, KEY) as connection:
        given = {"model": "whisper-1", "language": "pt", "prompt": "Olá.", "keywords": ["Dashwood"]}
        updated = configure(connection, transcription=given)
        assert updated.type == "session.updated"
        assert updated.session.audio.input.transcription.language == "pt"
        assert updated.session.audio.input.turn_detection.type == "server_vad"
        events = captions(connection, spoken)
    turn = of_type(events, f"{BUFFER}.speech_started")[0].item_id
    item = [one for one in events if getattr(one, "item_id", "") == turn
            or getattr(getattr(one, "item", None), "id", "") == turn]  # fmt: skip
    kinds = [key for key, _ in itertools.groupby(one.type for one in item)]
    without = [one for one in kinds if one != f"{TEXT}.delta"]
    assert without == [
        f"{BUFFER}.speech_started", f"{BUFFER}.speech_stopped", f"{BUFFER}.committed",
        "conversation.item.added", "conversation.item.done", f"{TEXT}.segment",
        f"{TEXT}.completed",
    ]  # fmt: skip
    done = item[-1]
    assert done.transcript.endswith("sleeps. Olá. Dashwood") and done.usage.seconds > 5
    wait_for(lambda: server.left() == [])


@pytest.mark.parametrize(
    ("format", "rate", "codec"),
    [
        ({"type": "audio/pcm", "rate": 16_000}, 16_000, "s16le"),
        ({"type": "audio/pcmu"}, 8_000, "mulaw"),
        ({"type": "audio/pcma"}, 8_000, "alaw"),
    ],
)
def test_other_formats_hold_the_same_speech(server, format, rate, codec):
    with connected(server.url, KEY) as connection:
        assert configure(connection, format=format).session.audio.input.format.type
        sound = sound_of(AUSTEN, rate, codec)
        events = captions(connection, sound[: len(sound) // 3])
    (first, *_) = of_type(events, f"{BUFFER}.speech_started")
    assert first.audio_start_ms == pytest.approx(240, abs=150)


def test_the_client_may_find_turns_itself(server, spoken):
    with connected(server.url, KEY) as connection:
        assert configure(connection, turn_detection=None).session.audio.input.turn_detection is None
        connection.input_audio_buffer.commit(event_id="mine")
        error = connection.recv().error
        assert (error.code, error.event_id) == ("input_audio_buffer_commit_empty", "mine")
        send(connection, bytes(24_000 * 2))
        add(connection, spoken)
        connection.input_audio_buffer.clear()
        send(connection, spoken)
        kinds, seconds = [], []
        while f"{BUFFER}.cleared" not in kinds or kinds[-1] != f"{TEXT}.completed":
            event = connection.recv()
            kinds.append(event.type)
            if event.type == f"{TEXT}.completed":
                seconds.append(round(event.usage.seconds))
    assert seconds == [1, 9]  # without what was cleared
    assert not [one for one in kinds if "speech" in one]


def test_a_client_of_former_days(server, spoken):
    url = f"{server.url}/v1"
    socket = url.replace("http", "ws")
    client = openai.OpenAI(base_url=url, websocket_base_url=socket, api_key=KEY, max_retries=0)
    query = {"intent": "transcription"}
    with client.beta.realtime.connect(model="whisper-1", extra_query=query) as connection:
        assert connection.recv().type == "session.created"
        turns = {"type": "server_vad", "silence_duration_ms": 300}
        settings = {"input_audio_format": "pcm16", "turn_detection": turns,
                    "input_audio_transcription": {"model": "whisper-1"}}  # fmt: skip
        connection.transcription_session.update(session=settings)
        updated = connection.recv()
        assert updated.type == "transcription_session.updated"
        assert updated.session.input_audio_format == "pcm16"
        assert updated.session.turn_detection.silence_duration_ms == 300
        kinds = [one.type for one in captions(connection, spoken)]
    assert "conversation.item.created" in kinds and "conversation.item.added" not in kinds


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"type": "response.create"}, "type"),
        ({"type": "input_audio_buffer.append", "audio": "no base64!"}, "audio"),
        ({"type": "input_audio_buffer.append"}, "audio"),
        ({"type": "session.update", "session": {"type": "realtime"}}, "session.type"),
        ({"type": "session.update", "session": {"voice": "alloy"}}, "session.voice"),
        ({"type": "transcription_session.update", "session": {"input_audio_format": {}}},
         "session.input_audio_format"),
        ([1], "type"),
        *(
            ({"type": "session.update", "session": {"audio": {"input": given}}}, param)
            for given, param in [
                ({"format": {"type": "audio/pcm", "rate": 80000}},
                 "session.audio.input.format.rate"),
                ({"format": {"type": ["audio/pcm"]}}, "session.audio.input.format.type"),
                ({"noise_reduction": {"type": [[1]]}}, "session.audio.input.noise_reduction.type"),
                ({"transcription": {"model": "none"}}, "model"),
                ({"transcription": {"language": "nonsense!"}}, "language"),
                ({"transcription": {"language": "tlh"}}, "language"),  # which its engine says
                ({"transcription": {"languages": ["en", "tlh"]}}, "language"),
                ({"turn_detection": {"type": "semantic_vad"}},
                 "session.audio.input.turn_detection.type"),
                ({"turn_detection": {"silence_duration_ms": -1}},
                 "session.audio.input.turn_detection.silence_duration_ms"),
                ({"nose": 1}, "session.audio.input.nose"),
            ]
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_name(server, message, param):
    with connected(server.url, KEY) as connection:
        if isinstance(message, dict):
            message["event_id"] = "mine"
        connection.send_raw(json.dumps(message))
        error = connection.recv().error
        assert error.type == "invalid_request_error" and error.param == param
        assert error.event_id == (None if isinstance(message, list) else "mine")
        assert configure(connection).type == "session.updated"  # and all goes on


def test_half_of_a_character_is_shown_again_as_it_came(server):
    """JSON may have it; what is sent must be UTF-8."""
    with connected(server.url, KEY) as connection:
        connection.send_raw(json.dumps({"type": "nothing", "event_id": "\ud800"}))
        assert connection.recv().error.event_id == "\ud800"
        connection.send_raw(json.dumps({"type": f"{BUFFER}.commit", "event_id": "\ud800"}))
        assert connection.recv().error.event_id == "\ud800"
        session = {"audio": {"input": {"transcription": {"prompt": "\ud800"}}}}
        connection.send_raw(json.dumps({"type": "session.update", "session": session}))
        updated = connection.recv()
        assert updated.type == "session.updated"


def opened(server, query: str = "", key: str | None = KEY, **more):
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    url = f"{server.url.replace('http', 'ws')}/v1/realtime{query}"
    return websockets.sync.client.connect(url, additional_headers=headers, **more)


@pytest.mark.parametrize(
    ("more", "status", "what"),
    [
        ({"key": None}, 401, "invalid_api_key"),
        ({"key": "wrong"}, 401, "invalid_api_key"),
        ({"query": "?model=none"}, 404, "model_not_found"),
        ({"origin": "http://elsewhere.example"}, 403, "another site"),
    ],
)
def test_who_may_not_connect(server, more, status, what):
    with pytest.raises(websockets.exceptions.InvalidStatus) as caught:
        opened(server, **more)
    response = caught.value.response
    assert response.status_code == status and what in response.body.decode()
    # The log has what other tests sent to this server, too.
    assert "handshake" not in server.log.read_text(), "uvicorn takes a refusal for an error"


def test_the_page_of_a_client_may_connect_with_the_key_as_a_protocol(server):
    protocols = ["realtime", f"openai-insecure-api-key.{KEY}"]
    host = server.url.removeprefix("http://")
    with opened(server, key=None, subprotocols=protocols, origin=f"http://{host}") as connection:
        assert connection.subprotocol == "realtime"
        assert json.loads(connection.recv())["type"] == "session.created"


# ---------------------------------------------------------------- ends


def test_a_client_who_goes_leaves_nothing_and_makes_room(server, spoken):
    with connected(server.url, KEY) as one, connected(server.url, KEY) as other:
        for connection in (one, other):
            configure(connection, turn_detection=None)
            send(connection, spoken * 3)
        wait_for(lambda: len(workers(server.child.pid)) == 2)
        with pytest.raises(websockets.exceptions.InvalidStatus) as caught:
            opened(server)
        assert caught.value.response.status_code == 429
    with opened(server) as connection:  # at once
        assert "session.created" in connection.recv()
    wait_for(lambda: not workers(server.child.pid))
    wait_for(lambda: server.left() == [])


def test_an_engine_that_dies_is_reported(server):
    with connected(server.url, KEY) as connection:
        wait_for(lambda: workers(server.child.pid))
        for pid in workers(server.child.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert connection.recv().error.type == "server_error"
        with pytest.raises(websockets.exceptions.ConnectionClosedError) as caught:
            connection.recv()
    assert caught.value.rcvd.code == 1011


def test_a_stream_that_cannot_begin_says_so(tmp_path):
    with serving(tmp_path / "data") as server:
        folder = server.data / "tmp"
        if folder.is_dir():
            folder.rmdir()
        folder.touch()
        with opened(server, key=None) as connection:
            error = json.loads(connection.recv())["error"]
            assert error["type"] == "server_error" and "cannot begin" in error["message"]
            with pytest.raises(websockets.exceptions.ConnectionClosedError) as caught:
                connection.recv()
        assert caught.value.rcvd.code == 1011
        assert "Traceback" not in server.log.read_text()


def test_an_engine_that_fails_fails_the_turn(tmp_path, spoken):
    broken = ("--allow-local-plugins", "--option", f"transcriber={ENGINES}:Broken")
    with serving(tmp_path / "data", *broken) as server, connected(server.url) as connection:
        send(connection, spoken)
        failed = (one for one in connection if one.type == f"{TEXT}.failed")
        for event in itertools.islice(failed, 2):  # and what is committed then, too
            assert "Broken" in event.error.message
            assert str(ENGINES.parent) not in event.error.message


def test_a_file_may_be_sent_at_once(server):
    """An hour of it, in a second or two: what waits is on the disk. Then the server stops."""
    status = Path(f"/proc/{server.child.pid}/status")

    def memory() -> int:
        return int(status.read_text().partition("VmRSS:")[2].split()[0]) * 1024

    with connected(server.url, KEY) as connection:
        configure(connection, turn_detection=None, format={"type": "audio/pcmu"})
        before = memory()
        send(connection, bytes([255]) * 8_000 * 3_600, block=2**20)
        event = connection.recv()
        while event.type != f"{TEXT}.completed":
            event = connection.recv()
        assert event.usage.seconds == pytest.approx(3_600, abs=0.1)
        assert memory() < before + 60e6


def test_a_server_that_stops_says_so(tmp_path, spoken):
    with serving(tmp_path / "data") as server, connected(server.url) as connection:
        wait_for(lambda: workers(server.child.pid))
        family = children(server.child.pid)
        server.child.send_signal(signal.SIGTERM)
        with pytest.raises(websockets.exceptions.ConnectionClosedError) as caught:
            while True:
                connection.recv()
        assert caught.value.rcvd.code == 1012
        assert server.child.wait(10) == 0
        wait_for(lambda: not [one for one in family if Path(f"/proc/{one}").exists()])
    assert server.left() == []
