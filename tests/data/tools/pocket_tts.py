"""A server that takes what pocket-tts serve takes at /tts."""

import email.parser
import email.policy
import io
from urllib.parse import parse_qs

from standin import read_wav, spoken, write_wav
from standin_server import Handler, serve


class Tool(Handler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer(200 if self.path == "/health" else 404, b"{}")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        if "urlencoded" in self.headers["Content-Type"]:
            form = {k: v[-1].encode() for k, v in parse_qs(body.decode()).items()}
        else:
            parsed = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
            form = {
                part.get_param("name", header="content-disposition"): part.get_payload(decode=True)
                for part in parsed.iter_parts()
            }
        form = {name: value for name, value in form.items() if value}
        if self.path != "/tts" or not {*form} <= {"text", "voice_url", "voice_wav"}:
            return self.answer(422, b"{}")
        if "voice_url" in form and "voice_wav" in form:
            return self.answer(400, b'{"detail": "Cannot provide both voice_url and voice_wav"}')
        like = None
        if "voice_wav" in form:
            like = read_wav(io.BytesIO(form["voice_wav"]))[0]
        elif form.get("voice_url", b"alba") not in (b"alba", b"rafael"):
            return self.answer(400, b'{"detail": "voice_url must start with http://"}')
        out = io.BytesIO()
        write_wav(out, spoken(form["text"].decode(), 24000, like), 24000)
        self.answer(200, out.getvalue(), "audio/wav")


serve(Tool)
