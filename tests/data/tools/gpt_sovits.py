"""A server that takes what GPT-SoVITS's api_v2.py takes at /tts."""

import io
import json
from pathlib import Path

from standin import read_wav, spoken, write_wav
from standin_server import Handler, serve

KNOWN = {
    "text": str, "text_lang": str, "ref_audio_path": str, "aux_ref_audio_paths": list,
    "prompt_lang": str, "prompt_text": str, "top_k": int, "top_p": float, "temperature": float,
    "text_split_method": str, "batch_size": int, "batch_threshold": float, "split_bucket": bool,
    "speed_factor": float, "fragment_interval": float, "seed": int, "media_type": str,
    "streaming_mode": bool, "parallel_infer": bool, "repetition_penalty": float,
    "sample_steps": int, "super_sampling": bool,
}  # fmt: skip
LANGUAGES = "auto auto_yue en zh ja yue ko all_zh all_ja all_yue all_ko".split()
METHODS = ("cut0", "cut1", "cut2", "cut3", "cut4", "cut5")


def fault_of(asked: dict) -> str:
    """Why it refuses a request. The real one ignores unknown names, which would hide mistakes."""
    for name, value in asked.items():
        if name not in KNOWN:
            return f"no field {name}"
        if type(value) is not KNOWN[name] and not (KNOWN[name] is float and type(value) is int):
            return f"{name} is {value!r}"
    for name in ("ref_audio_path", "text", "text_lang", "prompt_lang"):
        if not asked.get(name):
            return f"{name} is required"
    for name in ("text_lang", "prompt_lang"):
        if asked[name].lower() not in LANGUAGES:
            return f"{name}: {asked[name]} is not supported in version v2"
    if asked.get("media_type", "wav") not in ("wav", "raw", "ogg", "aac"):
        return "media_type is not supported"
    if asked.get("text_split_method", "cut5") not in METHODS:
        return "text_split_method is not supported"
    if not Path(asked["ref_audio_path"]).is_file():
        return "tts failed"
    samples, rate = read_wav(asked["ref_audio_path"])
    return "" if 3 <= len(samples) / rate <= 10 else "the clip is not within 3 to 10 s"


class Tool(Handler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != "/tts":
            return self.answer(404, b'{"detail": "Not Found"}')
        if self.headers["Content-Type"] != "application/json":
            return self.answer(422, b'{"detail": "no JSON"}')
        asked = json.loads(body)
        if fault := fault_of(asked):
            message = json.dumps({"message": fault}).encode()
            return self.answer(400, message)
        like = read_wav(asked["ref_audio_path"])[0]
        out = io.BytesIO()
        write_wav(out, spoken(asked["text"], 32000, like, asked.get("seed", 0)), 32000)
        self.answer(200, out.getvalue(), "audio/wav")


serve(Tool)
