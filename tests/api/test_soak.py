"""The soak of ``benchmarks/serve.py``, with few requests."""

import json
import subprocess
import sys

import pytest
from command import TESTS

SOAK = TESTS.parent / "benchmarks/serve.py"


@pytest.mark.slow
@pytest.mark.skipif(not SOAK.exists(), reason="not beside the installed package")
def test_nothing_is_mixed_up_and_nothing_is_left():
    ran = subprocess.run(
        [sys.executable, SOAK, "--requests", "20", "--clients", "5"],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    found = json.loads(ran.stdout)
    assert found["requests"] == 20 and found["wrong"] == [] and found["left"] == []
