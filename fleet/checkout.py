"""A checkout for one node alone: the lab's code, so that nodes share neither a roof, nor a lock, nor a journal."""

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

CODE = ("labkit", "experiments/01-roofline", "experiments/03-matmul-perf", "fleet")
FRONT_PAGE = "README.md.j2"  # at the top of the checkout; bench.py renders it too
# Of what has changed since the commit, code alone is wanted: no records, no environments, nothing that a run left.
_CODE_FILES = ("*.py", "*.j2")


def make(lab: Path, there: Path) -> None:
    """Copy the code of the checkout `lab`, as it is now, to `there`.

    Where `lab` is a clone, `there` is one too, so that the records name the commit and whether code differs from it.
    """
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        _git("clone", "--quiet", "--depth", "1", "--sparse", f"file://{lab}", str(there))
        _git("-C", str(there), "sparse-checkout", "set", *CODE)
    for folder in CODE:
        (there / folder).mkdir(parents=True, exist_ok=True)
        for pattern in _CODE_FILES:
            for file in (lab / folder).glob(pattern):
                shutil.copy2(file, there / folder)
    for package in (lab / "labkit").iterdir():
        if (package / "__init__.py").exists():
            shutil.copytree(
                package, there / "labkit" / package.name, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__*__")
            )
    shutil.copy2(lab / FRONT_PAGE, there)


def _git(*words: str) -> None:
    """Run git on the folders that the words name: in a hook, variables would turn it to another repository."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    subprocess.run(["git", *words], check=True, capture_output=True, env=environment)
