"""A synthesizer that keeps running: it reads a line of JSON for each item and answers with one.

A text that begins with ``!`` makes it fail in some way.
"""

import json
import os
import sys
import time
from pathlib import Path

from standin import spoken, write_wav

print("loading the model ...")
print("a warning", file=sys.stderr, flush=True)
for line in sys.stdin:
    request = json.loads(line)
    order, _, rest = request["text"].partition(" ")
    answer: dict[str, object] = {"id": request["id"], "ok": True}
    if order == "!die":
        print("out of memory", file=sys.stderr, flush=True)
        os._exit(3)
    if order == "!hang":
        time.sleep(60)
    if order == "!refuse":
        answer = {"id": request["id"], "error": "I will not"}
    elif order == "!garbage":
        print("[1, 2\n{not json\n{}\n" + "x" * 3_000_000)
        rest = "ok"
    elif order == "!other":
        print(json.dumps({"id": "another", "ok": True}))
    if order == "!nothing":
        pass
    elif order == "!pid":
        Path(rest).write_text(str(os.getpid()))
    if order not in ("!refuse", "!nothing"):
        write_wav(request["out"], spoken(rest or order, 16000), 16000)
    print(json.dumps(answer), flush=True)
