"""Keep XTTS loaded and speak what stands in lines of JSON; run by the Python that has coqui-tts.

A request has id, text, language, speaker, references, seed and out; the answer is the id and
``ok``, or ``error``. Whatever else is printed goes to standard error.
"""

import json
import os
import sys

requests = os.fdopen(os.dup(0), encoding="utf-8")
answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
# What the libraries print is no answer, and what they ask must not swallow a request.
os.dup2(2, 1)
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)

import torch  # noqa: E402
from TTS.api import TTS  # noqa: E402


def main(model: str, device: str) -> None:
    """Answer until nobody asks any more."""
    engine = TTS(model, progress_bar=False).to(device)
    for line in requests:
        asked = json.loads(line)
        answer = {"id": asked["id"], "ok": True}
        try:
            torch.manual_seed(asked["seed"])
            voice = {"speaker_wav": asked["references"]} if asked["references"] else {}
            voice = voice or {"speaker": asked["speaker"]}
            engine.tts_to_file(
                text=asked["text"], language=asked["language"], file_path=asked["out"], **voice
            )
        except Exception as error:  # of this item; the next may do
            answer = {"id": asked["id"], "error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


main(*sys.argv[1:])
