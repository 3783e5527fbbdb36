"""Programs that call themselves ffmpeg and do not do its work."""

import sys
from pathlib import Path

import imageio_ffmpeg

KINDS = {
    "fails": "sys.exit('It broke')",
    "nothing": "",
    "empty": "open(target, 'wb').close()",
    "half": "run(); os.truncate(target, os.path.getsize(target) // 2)",
    "short": "sys.argv[-1:-1] = ['-t', '1']; run()",
    "5.1": "run(); print('Error writing trailer: Input/output error', file=sys.stderr)",
    "5.1, full": "run(); print('Error writing trailer: No space left on device', file=sys.stderr)",
}
"""What each does when it is to write a file, and all but the first end with status 0."""


def unreliable(folder: Path, kind: str) -> Path:
    """An ffmpeg of one of ``KINDS`` for ``$DUBKIT_FFMPEG``."""
    program = folder / f"ffmpeg {kind}"
    program.write_text(
        f"#!{sys.executable}\n"
        "import os, subprocess, sys\n"
        "target = sys.argv[-1].removeprefix('file:')\n"
        "def run():\n"
        f"    done = subprocess.run([{imageio_ffmpeg.get_ffmpeg_exe()!r}, *sys.argv[1:]])\n"
        "    if done.returncode: sys.exit(done.returncode)\n"
        "if sys.argv[-1] in ('-version', '-filters', '-'): run(); sys.exit()\n"
        f"{KINDS[kind]}\n"
    )
    program.chmod(0o755)
    return program
