"""A server that takes what Fish Speech's API server takes at /v1/tts as JSON."""

import base64
import io
import json

from standin import read_wav, spoken, write_wav
from standin_server import Handler, serve

KNOWN = {
    "text": str, "chunk_length": int, "format": str, "latency": str, "references": list,
    "reference_id": str, "seed": int, "use_memory_cache": str, "normalize": bool,
    "streaming": bool, "max_new_tokens": int, "top_p": float, "repetition_penalty": float,
    "temperature": float,
}  # fmt: skip


class Tool(Handler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer(200 if self.path == "/v1/health" else 404, b'{"status": "ok"}')

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Content-Type"] != "application/json":
            return self.answer(415, b"")
        form = json.loads(body)
        # Its model ignores what it does not know; here that would hide a mistake.
        if self.path != "/v1/tts" or any(type(v) is not KNOWN.get(k) for k, v in form.items()):
            return self.answer(422, b"{}")
        if form["format"] not in ("wav", "pcm", "mp3", "opus"):
            return self.answer(422, b"{}")
        like = None
        for reference in form.get("references", []):
            if set(reference) != {"audio", "text"} or len(reference["audio"]) <= 255:
                return self.answer(422, b"{}")
            like, _ = read_wav(io.BytesIO(base64.b64decode(reference["audio"])))
        out = io.BytesIO()
        write_wav(out, spoken(form["text"], 44100, like), 44100)
        self.answer(200, out.getvalue(), "audio/wav")


serve(Tool)
