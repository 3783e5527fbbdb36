"""``dubkit completion``, in the shells that are here."""

import subprocess

import pytest
from command import assert_refused, called


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["--tr"], {"--transcriber", "--translator"}),
        (["--profile", "net"], {"netflix", "netflix-kids"}),
        (["--translator", "arg"], {"argos"}),
        (["talk.mp4", "--no-vi"], {"--no-video"}),
        (["ta"], {"talk.mp4"}),
    ],
)
def test_bash_completes(tmp_path, typed, offered):
    (tmp_path / "talk.mp4").touch()
    ran = called("completion", "bash")
    assert ran.status == 0, ran
    words = " ".join(["dubkit", *typed])
    ask = (
        f"COMP_WORDS=({words}); COMP_CWORD={len(typed)}; "
        f"_shtab_dubkit dubkit {typed[-1]} x; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    done = subprocess.run(
        ["bash", "-c", f"{ran.out}\n{ask}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert {line.strip() for line in done.stdout.splitlines()} == offered, done


def test_zsh_and_fish_get_a_script():
    assert called("completion", "zsh").out.startswith("#compdef dubkit")
    assert "complete -c dubkit" in called("completion", "fish").out
    assert_refused(called("completion", "tcsh"), 2, "tcsh")
