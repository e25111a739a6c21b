"""What is committed, as HEAD holds it: a run into this checkout changes the files beside it, and not these."""

import functools
import io
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


def root() -> Path:
    """README.md and experiments/ of HEAD, laid out as in the checkout, for reading alone.

    Skips the test outside a git checkout.
    """
    return Path(_extracted().name)


def experiment(name: str) -> Path:
    return root() / "experiments" / name


@functools.cache
def _extracted() -> "TemporaryDirectory[str]":
    """Once per process; the folder goes when the process ends."""
    command = ["git", "archive", "--format=zip", "HEAD", "README.md", "experiments"]
    try:
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=True)
    except FileNotFoundError:
        pytest.skip("what is committed cannot be read: git is not installed")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"what is committed cannot be read: {error.stderr.decode(errors='replace').strip()}")
    folder = TemporaryDirectory(prefix="committed-")
    with ZipFile(io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder.name)
    return folder
