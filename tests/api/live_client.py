"""A client of live captions, by OpenAI's own library."""

import base64
import contextlib
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import openai

from dubkit.media.ffmpeg import ffmpeg_path

TEXT = "conversation.item.input_audio_transcription"


def sound_of(path: Path, rate: int = 24_000, codec: str = "s16le") -> bytes:
    """The samples of a file, with a second of silence after them."""
    command = [ffmpeg_path(), "-v", "error", "-i", path, "-af", "apad=pad_dur=1", "-ac", "1",
               "-ar", str(rate), "-f", codec, "-"]  # fmt: skip
    return subprocess.run(command, capture_output=True, check=True).stdout


@contextlib.contextmanager
def connected(url: str, key: str = "none", **more: Any) -> Iterator[Any]:
    """A connection that has got its first event."""
    client = openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)
    with client.realtime.connect(model="whisper-1", **more) as connection:
        assert connection.recv().type == "session.created"
        yield connection


def configure(connection: Any, **audio: Any) -> Any:
    """The answer to settings of the sound."""
    connection.session.update(session={"type": "transcription", "audio": {"input": audio}})
    return connection.recv()


def add(connection: Any, sound: bytes) -> None:
    """Send sound in one message."""
    connection.input_audio_buffer.append(audio=base64.b64encode(sound).decode())


def send(connection: Any, sound: bytes, block: int = 9_600) -> None:
    """Send sound as fast as it is taken, and then commit it."""
    for at in range(0, len(sound), block):
        add(connection, sound[at : at + block])
    connection.input_audio_buffer.commit()


def captions(connection: Any, sound: bytes) -> Sequence[Any]:
    """All events until what the client itself commits after the sound has its text."""
    threading.Thread(target=send, args=(connection, sound), daemon=True).start()
    events, stopped, last = [], set(), ""
    for event in connection:
        events.append(event)
        assert event.type not in ("error", f"{TEXT}.failed"), event
        if event.type == "input_audio_buffer.speech_stopped":
            stopped.add(event.item_id)
        if event.type == "input_audio_buffer.committed" and event.item_id not in stopped:
            last = event.item_id
        if event.type == f"{TEXT}.completed" and event.item_id == last:
            return events
    raise AssertionError("the connection was closed")


def of_type(events: Sequence[Any], *types: str) -> list[Any]:
    """Those of some types, in their order."""
    return [one for one in events if one.type in types]
