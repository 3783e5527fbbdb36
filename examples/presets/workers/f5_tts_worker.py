"""Keep F5-TTS loaded and speak what stands in lines of JSON; run by the Python that has f5-tts.

A request has id, text, reference, reference_text, seed and out; the answer is the id and ``ok``, or
``error``. Whatever else is printed goes to standard error.
"""

import json
import os
import sys

requests = os.fdopen(os.dup(0), encoding="utf-8")
answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
# What the libraries print is no answer, and what they ask must not swallow a request.
os.dup2(2, 1)
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)

from f5_tts.api import F5TTS  # noqa: E402


def main(model: str, steps: str, checkpoint: str, vocabulary: str, device: str) -> None:
    """Answer until nobody asks any more."""
    engine = F5TTS(model, ckpt_file=checkpoint, vocab_file=vocabulary, device=device or None)
    for line in requests:
        asked = json.loads(line)
        answer = {"id": asked["id"], "ok": True}
        try:
            engine.infer(
                ref_file=asked["reference"],
                ref_text=asked["reference_text"],
                gen_text=asked["text"],
                nfe_step=int(steps),
                file_wave=asked["out"],
                seed=asked["seed"],
            )
        except Exception as error:  # of this item; the next may do
            answer = {"id": asked["id"], "error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


main(*sys.argv[1:])
