"""Keep F5-TTS loaded and speak requests that are lines of JSON; run by the Python that has f5-tts.

A request has id, text, reference, reference_text, seed and out; the answer has the id and ``ok``,
or ``error``. Anything else that is printed goes to standard error.
"""

import json
import os
import sys

requests = os.fdopen(os.dup(0), encoding="utf-8")
answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
# Output of the libraries is not an answer, and their questions must not swallow a request.
os.dup2(2, 1)
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)

from f5_tts.api import F5TTS  # noqa: E402


def main(model: str, steps: str, checkpoint: str, vocabulary: str, device: str) -> None:
    """Answer requests until standard input is closed."""
    engine = F5TTS(model, ckpt_file=checkpoint, vocab_file=vocabulary, device=device or None)
    for line in requests:
        request = json.loads(line)
        answer = {"id": request["id"], "ok": True}
        try:
            engine.infer(
                ref_file=request["reference"],
                ref_text=request["reference_text"],
                gen_text=request["text"],
                nfe_step=int(steps),
                file_wave=request["out"],
                seed=request["seed"],
            )
        except Exception as error:  # of this item; the next may succeed
            answer = {"id": request["id"], "error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


main(*sys.argv[1:])
