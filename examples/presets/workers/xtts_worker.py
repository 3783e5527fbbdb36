"""Keep XTTS loaded and speak requests that are lines of JSON; run by the Python that has coqui-tts.

A request has id, text, language, speaker, references, seed and out; the answer has the id and
``ok``, or ``error``. Anything else that is printed goes to standard error.
"""

import json
import os
import sys

requests = os.fdopen(os.dup(0), encoding="utf-8")
answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
# Output of the libraries is not an answer, and their questions must not swallow a request.
os.dup2(2, 1)
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)

import torch  # noqa: E402
from TTS.api import TTS  # noqa: E402


def main(model: str, device: str) -> None:
    """Answer requests until standard input is closed."""
    engine = TTS(model, progress_bar=False).to(device)
    for line in requests:
        request = json.loads(line)
        answer = {"id": request["id"], "ok": True}
        try:
            torch.manual_seed(request["seed"])
            voice = {"speaker_wav": request["references"]} if request["references"] else {}
            voice = voice or {"speaker": request["speaker"]}
            engine.tts_to_file(
                text=request["text"],
                language=request["language"],
                file_path=request["out"],
                **voice,
            )
        except Exception as error:  # of this item; the next may succeed
            answer = {"id": request["id"], "error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


main(*sys.argv[1:])
