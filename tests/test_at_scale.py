"""The examples for many machines: scripts that run, and definitions whose shards are right."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from command import FAST, TESTS

from dubkit.cli import parser
from dubkit.cli.batch import parse_shard
from dubkit.options import Options

SCALE = TESTS.parent / "examples/at_scale"
if not SCALE.exists():
    pytest.skip("not beside the installed package", allow_module_level=True)


@pytest.fixture
def programs(tmp_path):
    """A PATH with ``dubkit``, and with stand-ins for the programs of a cluster that run or show
    what they are given."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def add(name, text):
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)

    add("dubkit", f'exec "{sys.executable}" -m dubkit "$@"')
    add("srun", 'exec "$@"')
    add("aws", 'printf "%s\\n" "$@"')
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


def run(script, *arguments, env, cwd):
    argv = ["bash", str(SCALE / script), *map(str, arguments)]
    return subprocess.run(argv, env=env, cwd=cwd, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("script", sorted(path.name for path in SCALE.glob("*.sh")))
def test_scripts_are_bash_and_say_how_they_are_used(script, programs, tmp_path):
    assert subprocess.run(["bash", "-n", SCALE / script]).returncode == 0
    ran = run(script, env=programs, cwd=tmp_path)
    assert ran.returncode != 0 and "usage: " in ran.stderr


def test_the_jobs_of_an_array_do_a_library_together(talk, programs, tmp_path):
    (talk.parent / "b.mp4").write_bytes(talk.read_bytes())
    paths = []
    for number in (1, 2):  # an array may begin at 1
        env = {**programs, "SLURM_ARRAY_JOB_ID": "77", "SLURM_ARRAY_TASK_ID": str(number),
               "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_COUNT": "2"}  # fmt: skip
        ran = run("slurm.sh", talk.parent, "--subs", "--no-video", *FAST, env=env, cwd=tmp_path)
        assert ran.returncode == 0, ran
        paths += ran.stdout.split()
    assert sorted(Path(path).name for path in paths) == ["b.en.srt", "talk.en.srt"]
    found = [json.loads(line) for path in tmp_path.glob("dubkit-77-[01].jsonl")
             for line in path.read_text().splitlines()]  # fmt: skip
    assert [one["status"] for one in found] == ["done", "done"]


def test_the_job_of_kubernetes_has_a_shard_a_pod():
    yaml = pytest.importorskip("yaml")
    job = yaml.safe_load((SCALE / "kubernetes.yaml").read_text())
    assert (job["kind"], job["spec"]["completionMode"]) == ("Job", "Indexed")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    env = {one["name"]: one for one in container["env"]}
    path = env["SHARD"]["valueFrom"]["fieldRef"]["fieldPath"]
    assert path == "metadata.annotations['batch.kubernetes.io/job-completion-index']"
    assert f"--shard=$(SHARD)/{job['spec']['completions']}" in container["args"]
    mounts = {one["mountPath"] for one in container["volumeMounts"]}
    given = parser.parse([one.replace("$(SHARD)", "0") for one in container["args"]])
    assert parser.options_of(given, Options).subs
    assert parse_shard(given.shard) == (0, job["spec"]["completions"])
    assert container["args"][0] in mounts and env["XDG_STATE_HOME"]["value"].startswith("/library/")


def test_the_job_of_aws_batch_has_a_shard_a_child(programs, tmp_path):
    env = {**programs, "IMAGE": "site/dubkit:1", "FILE_SYSTEM": "fs-1"}
    ran = run("aws_batch.sh", "queue", "7", env=env, cwd=tmp_path)
    assert ran.returncode == 0, ran
    text = ran.stdout[ran.stdout.index("{") : ran.stdout.rindex("}\nbatch\nsubmit-job") + 1]
    own = json.loads(text)["containerProperties"]
    assert own["image"] == "site/dubkit:1" and "fs-1" in json.dumps(own["volumes"])
    variables = set(re.findall(r"\$(\w+)", own["command"][2]))
    assert variables == {"AWS_BATCH_JOB_ARRAY_INDEX", "SHARDS"}
    assert "size=7" in ran.stdout and "name=SHARDS,value=7" in ran.stdout


def test_the_command_of_aws_batch_runs_in_a_shell(talk, programs, tmp_path):
    definition = json.loads((SCALE / "aws_batch.json").read_text())
    shell, flag, command = definition["containerProperties"]["command"]
    command = command.replace("/library", str(tmp_path))
    env = {**programs, "AWS_BATCH_JOB_ARRAY_INDEX": "0", "SHARDS": "1"}
    command = f"{command} {' '.join(FAST)}"
    assert subprocess.run([shell, flag, command], env=env, cwd=tmp_path).returncode == 0
    assert (tmp_path / "dubkit-0.jsonl").exists() and (talk.parent / "talk.en.srt").exists()
