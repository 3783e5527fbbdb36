"""Files where the model hub's library looks for what it has downloaded."""

from pathlib import Path


def snapshot(home: Path, repository: str) -> Path:
    """The folder of a repository's files, if ``home`` is ``HF_HOME``."""
    folder = home / "hub" / f"models--{repository.replace('/', '--')}"
    files = folder / "snapshots/0"
    files.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs/main").write_text("0")
    return files
