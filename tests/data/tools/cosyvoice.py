"""A server that takes what CosyVoice's FastAPI server takes at /inference_zero_shot."""

import email.parser
import email.policy
import io

import numpy as np
from standin import read_wav, spoken
from standin_server import Handler, serve


class Tool(Handler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        form = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
        if self.path != "/inference_zero_shot" or not form.is_multipart():
            return self.refuse()
        parts = {
            part.get_param("name", header="content-disposition"): part for part in form.iter_parts()
        }
        if set(parts) != {"tts_text", "prompt_text", "prompt_wav"}:
            return self.refuse()
        text, prompt = (
            parts[name].get_payload(decode=True).decode() for name in ("tts_text", "prompt_text")
        )
        # A file is a file only with a name.
        if not text or not prompt or not parts["prompt_wav"].get_filename():
            return self.refuse()
        like, rate = read_wav(io.BytesIO(parts["prompt_wav"].get_payload(decode=True)))
        if rate < 16000 or len(like) / rate > 30:
            return self.refuse(500)
        samples = spoken(text, 24000, like)
        pieces = (32768 * samples).astype(np.int16).tobytes()
        # As a stream without length or type, as a StreamingResponse is.
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for at in range(0, len(pieces), 9999):
            piece = pieces[at : at + 9999]
            self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def refuse(self, status: int = 422) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


serve(Tool)
