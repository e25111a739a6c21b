"""Where a record comes from: commit, versions, command, digests; and the fingerprint of measuring code."""

import datetime
import hashlib
import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from labkit import machine
from labkit.records import Blas, Git, Hardware, Manifest
from labkit.threads import ACCELERATE_VARIABLE, LAB_VARIABLES

REPOSITORY = Path(__file__).resolve().parents[1]
# What a run itself writes: it does not make the checkout "dirty".
_ARTIFACTS = (
    "README.md", "experiments/*/*.md", "experiments/*/*.json", "experiments/*/*.png",
)  # fmt: skip
_PACKAGES = ("numpy", "llvmlite", "matplotlib", "msgspec", "numba", "psutil", "rich", "threadpoolctl", "typer")


def git_state(folder: Path = REPOSITORY) -> Git:
    """The commit and whether code differs from it; None with a reason outside a checkout."""

    def ask(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()

    try:
        commit = ask("rev-parse", "HEAD")
        if Path(ask("rev-parse", "--show-toplevel")).resolve() != folder.resolve():
            return Git(commit=None, dirty=None, reason="not a git checkout of its own")
        changed = ask("status", "--porcelain", "--", ".", *(f":(exclude){path}" for path in _ARTIFACTS))
    except FileNotFoundError:
        return Git(commit=None, dirty=None, reason="git is not installed")
    except subprocess.CalledProcessError:
        return Git(commit=None, dirty=None, reason="not a git checkout, or one without a commit")
    return Git(commit=commit, dirty=bool(changed))


def versions() -> dict[str, str]:
    """Python, its compiler and the packages that bear on a measurement."""
    found = {"python": platform.python_version(), "implementation": platform.python_implementation()}
    found["compiler"], found["system"] = (
        platform.python_compiler(),
        f"{platform.system()} {platform.machine()}",
    )
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def fingerprint(files: Iterable[Path], facts: Mapping[str, object]) -> str:
    """A digest of the code that measures and of the facts that a measurement depends on."""
    digest = hashlib.sha256(repr(sorted(facts.items())).encode())
    for path in sorted(files, key=lambda p: p.name):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def command() -> list[str]:
    """The command line without the machine's paths: script name and options as given."""
    words = [Path(sys.argv[0]).name, *sys.argv[1:]]

    def shortened(word: str) -> str:
        option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
        return option + equals + (Path(value).name if os.sep in value else value)

    return [shortened(word) for word in words]


def manifest(
    experiment: str,
    seed: int,
    config: Mapping[str, object],
    hardware: Hardware,
    library: Blas,
    git: Git,
) -> Manifest:
    """A manifest of this process, its outputs still to be filled in."""
    return Manifest(
        experiment=experiment,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        command=command(),
        seed=seed,
        config=dict(config),
        git=git,
        versions=versions(),
        blas=library,
        threads={name: os.environ.get(name) for name in (*LAB_VARIABLES, ACCELERATE_VARIABLE)},
        hardware=hardware,
        outputs={},
    )


def observe() -> tuple[Hardware, Blas, Git]:
    """What stands still during a run: taken once, at its start."""
    return machine.hardware(), machine.blas(), git_state()
