"""Where a record comes from: commit, versions, command, machine."""

import datetime
import importlib.metadata
import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from labkit.machine.blas import Blas, loaded_blas
from labkit.machine.cpus import cpu_facts
from labkit.machine.hardware import Hardware, MachineIdentity, hardware, identity
from labkit.machine.threads import ACCELERATE_VARIABLE, THREAD_VARIABLES
from labkit.records.model import Git, Manifest

REPOSITORY = Path(__file__).resolve().parents[2]
# What runs themselves write: it does not make the checkout "dirty".
_ARTIFACTS = ("experiments/*/README.md", "experiments/*/repeat.md", "experiments/*/*.json", "experiments/*/*.png")
_PACKAGES = ("numpy", "llvmlite", "matplotlib", "msgspec", "numba", "rich")


@dataclass(frozen=True)
class Observed:
    """What stands still during a run: taken once, at its start."""

    hardware: Hardware
    blas: Blas
    git: Git

    @property
    def identity(self) -> MachineIdentity:
        return identity(self.hardware, self.blas)


def observe() -> Observed:
    """This machine, its NumPy and this checkout."""
    return Observed(hardware(), loaded_blas(), git_state())


def git_state(folder: Path = REPOSITORY) -> Git:
    """The commit and whether code differs from it; None with a reason outside a checkout."""

    def ask(*words: str) -> str:
        said = subprocess.run(["git", *words], cwd=folder, capture_output=True, check=True).stdout
        return os.fsdecode(said).strip()  # paths; on Windows git's are UTF-8, and what is text there is not

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
    release, microcode = re.match(r"[\d.]+(-[\d.]*\d)?", platform.release()), cpu_facts().get("microcode")
    found = {
        **({"kernel": release[0]} if release else {}),  # without the words of who built it
        **({"microcode": microcode} if microcode else {}),
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "compiler": platform.python_compiler(),
        "system": f"{platform.system()} {platform.machine()}",
    }
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def command() -> list[str]:
    """The command line without the machine's paths: program name and options as given."""

    def shortened(word: str) -> str:
        option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
        return option + equals + (Path(value).name if os.sep in value else value)

    return [shortened(word) for word in (Path(sys.argv[0]).name, *sys.argv[1:])]


def manifest(experiment: str, seed: int, config: Mapping[str, object], observed: Observed) -> Manifest:
    """A manifest of this process, its outputs still to be filled in."""
    return Manifest(
        experiment=experiment,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        command=command(),
        seed=seed,
        config=dict(config),
        git=observed.git,
        versions=versions(),
        blas=replace(observed.blas, threads=loaded_blas().threads),
        threads={name: os.environ.get(name) for name in (*THREAD_VARIABLES, ACCELERATE_VARIABLE)},
        hardware=observed.hardware,
        outputs={},
    )
