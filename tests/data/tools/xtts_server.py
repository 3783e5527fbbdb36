"""A server that takes what coqui-tts' tts-server takes at /api/tts."""

import io
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

from standin import read_wav, spoken, write_wav


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer(404, b"{}")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        form = {k: v[-1] for k, v in parse_qs(body.decode()).items()}
        known = {"text", "language_id", "speaker_id", "speaker_wav"}
        if self.path != "/api/tts" or not {*form} <= known:
            return self.answer(404, b"{}")
        if form["language_id"] not in ("en", "pt", "zh-cn"):
            return self.answer(500, b'{"error": "TTS synthesis failed: language"}')
        like = read_wav(form["speaker_wav"])[0] if form.get("speaker_wav") else None
        if like is None and form.get("speaker_id") not in ("Ana Florence", "Craig Gutsy"):
            why = f"TTS synthesis failed: KeyError: {form.get('speaker_id')!r}"
            return self.answer(500, json.dumps({"error": why}).encode())
        out = io.BytesIO()
        write_wav(out, spoken(form["text"], 24000, like), 24000)
        self.answer(200, out.getvalue(), "audio/wav")

    def answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
