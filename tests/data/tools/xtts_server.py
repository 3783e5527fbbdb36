"""A server that takes what coqui-tts' tts-server takes at /api/tts."""

import io
import json
from urllib.parse import parse_qs

from standin import read_wav, spoken, write_wav
from standin_server import Handler, serve


class Tool(Handler):
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


serve(Tool)
