"""The definitions of containers: what they name is there, and their commands are understood."""

import json
import re

import pytest
import yaml
from command import TESTS

from dubkit.api.command import serve_parser
from dubkit.cli import parser
from dubkit.options import Options

ROOT = TESTS.parent
if not (ROOT / "Dockerfile").exists():
    pytest.skip("not beside the installed package", allow_module_level=True)


def test_the_image_starts_a_server_on_its_volume():
    text = (ROOT / "Dockerfile").read_text()
    command = json.loads(re.findall(r"^CMD (\[.*\])$", text, re.M)[-1])
    given = serve_parser().parse_args(command[1:])
    assert command[0] == "serve" and str(given.data).startswith("/data/")
    assert f"EXPOSE {given.port}\n" in text and f":{given.port}/healthz" in text
    extras = re.findall(r"EXTRAS=([\w,]+)", text)
    known = re.findall(r"^([\w-]+) = \[", (ROOT / "pyproject.toml").read_text(), re.M)
    assert extras and {one for line in extras for one in line.split(",")} <= set(known)


def test_another_command_runs_in_the_image():
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    (command,) = [one.rpartition(" dubkit ")[2] for one in lines if "-w /videos" in one]
    given = parser.parse(command.split())
    assert given.inputs and parser.options_of(given, Options).subs


def test_compose_has_a_key_and_a_translator():
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    own = services["dubkit"]["environment"]
    assert own["DUBKIT_API_KEY"].startswith("${DUBKIT_API_KEY:?")
    assert "ollama" in services and "//ollama:" in own["OPENAI_BASE_URL"]
    assert all(port.startswith("127.0.0.1:") for port in services["dubkit"]["ports"])


def test_the_pod_serves_what_the_service_sends_it():
    documents = yaml.safe_load_all((ROOT / "examples/at_scale/server.yaml").read_text())
    kinds = {one["kind"]: one for one in documents}
    (container,) = kinds["Deployment"]["spec"]["template"]["spec"]["containers"]
    given = serve_parser().parse_args(container["args"][1:])
    ports = {given.port, container["readinessProbe"]["httpGet"]["port"],
             kinds["Service"]["spec"]["ports"][0]["targetPort"]}  # fmt: skip
    assert ports == {7860} and container["env"][0]["name"] == "DUBKIT_API_KEY"
