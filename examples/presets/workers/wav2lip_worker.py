"""Keep Wav2Lip and its face detector loaded; run in its repository by its environment's Python.

A request has video, audio, folder and out. The arguments are those of its ``inference.py`` but
``--face``, ``--audio`` and ``--outfile``; its ``main`` is called for each request.
"""

import sys
from pathlib import Path

import json_lines  # noqa: I001, RUF100

# It reads its arguments when it is imported, and has them in inference.args.
sys.argv += ["--face", "", "--audio", ""]
sys.path.insert(0, str(Path.cwd()))
import inference  # noqa: E402


def main() -> None:
    """Answer requests."""
    inference.load_model = json_lines.once(inference.load_model)
    detection = inference.face_detection
    detection.FaceAlignment = json_lines.once(detection.FaceAlignment)

    def draw(request: dict) -> None:
        inference.args.face = request["video"]
        inference.args.audio = request["audio"]
        inference.args.outfile = request["out"]
        with json_lines.temp_of_its_own(request["folder"]):
            inference.main()
        if not Path(request["out"]).exists():
            raise RuntimeError("its ffmpeg wrote nothing")

    json_lines.serve(draw)


main()
