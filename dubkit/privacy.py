"""What keeps the libraries underneath from reporting on their users.

Several send usage data unless their environment asks them not to, some as soon as they are
imported. ``import dubkit`` asks them, before any of them is imported, and what it starts inherits
that: the page's jobs, external tools.
"""

from __future__ import annotations

import os

OPT_OUTS = {
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime: a device id in the cache, events to Microsoft
    "HF_HUB_DISABLE_TELEMETRY": "1",  # the hub's library: names of libraries in each request
    "GRADIO_ANALYTICS_ENABLED": "False",
    "PYANNOTE_METRICS_ENABLED": "false",  # pyannote.audio: how long files are, how many people
    "RAY_USAGE_STATS_ENABLED": "0",
    "DO_NOT_TRACK": "1",  # what other tools and servers that a plugin starts may respect
}
"""Environment variables, each with the value that means no."""


def opt_out() -> None:
    """Ask for no reports, but where the user has made a choice already."""
    for variable, value in OPT_OUTS.items():
        os.environ.setdefault(variable, value)
