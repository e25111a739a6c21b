"""Results read from folders, each under a short name of its own; and what differs between where they come from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from labkit import codec, machine
from labkit.errors import LabError
from labkit.records import Ladder, MachineIdentity, Manifest, Record, Repeat, Results, Roofline

RESULTS, MANIFEST, REPEAT = "results.json", "manifest.json", "repeat.json"
# A whole checkout may be named instead of the experiment in it.
LAB = Path("experiments") / "03-matmul-perf"
_COMMIT_LETTERS = 7
_NOT_KNOWN = "not known"

T = TypeVar("T", bound=Record)


@dataclass(frozen=True)
class Run:
    """One result of the lab. What stands beside it is taken along if it is of the same machine and NumPy."""

    name: str
    folder: Path
    results: Results
    manifest: Manifest
    roofline: Roofline | None
    ladder: Ladder | None
    repeat: Repeat | None = None


@dataclass(frozen=True)
class Difference:
    """Something in which runs differ: one text a run."""

    what: str
    values: list[str]


def locate(folder: Path) -> Path:
    """The folder that holds the result: this one, or the experiment of the checkout that this one is."""
    inner = folder / LAB
    return inner if not (folder / RESULTS).exists() and inner.is_dir() else folder


def gather(folders: Sequence[Path]) -> list[Run]:
    """The runs in these folders, named apart; a LabError that names the folder where one cannot be read."""
    read = [_read(locate(folder)) for folder in folders]
    names = _names_apart(read, folders)
    return [Run(name, *parts) for name, parts in zip(names, read, strict=True)]


_Parts = tuple[Path, Results, Manifest, Roofline | None, Ladder | None, Repeat | None]


def _read(folder: Path) -> _Parts:
    try:
        results = codec.read(folder / RESULTS, Results)
        manifest = codec.read(folder / MANIFEST, Manifest)
    except LabError as error:
        raise LabError(f"{folder}: {error}") from None
    identity = _identity(manifest)
    roofline = _beside(folder.parent / "01-roofline" / "kernels.json", Roofline)
    if roofline and roofline.machine != identity:
        roofline = None
    ladder = _beside(folder.parent / "03-speedup-ladder" / RESULTS, Ladder)
    its = _beside(folder.parent / "03-speedup-ladder" / MANIFEST, Manifest)
    if its is None or _identity(its) != identity:
        ladder = None
    return folder, results, manifest, roofline, ladder, repeat_in(folder, manifest)


def repeat_in(folder: Path, manifest: Manifest) -> Repeat | None:
    """The study of what repeats in this folder, if it is of the machine and NumPy of this manifest."""
    repeat = _beside(folder / REPEAT, Repeat)
    return repeat if repeat and _identity(repeat.manifest) == _identity(manifest) else None


def _identity(manifest: Manifest) -> MachineIdentity:
    """The machine and NumPy that a manifest names."""
    return machine.identity(manifest.hardware, manifest.blas, manifest.versions.get("numpy", ""))


def _beside(path: Path, kind: type[T]) -> T | None:
    """A record that may be there; None where there is no valid one."""
    try:
        return codec.read(path, kind)
    except LabError:
        return None


# --- what differs -----------------------------------------------------------------------------------


def provenance(results: Results, manifest: Manifest) -> dict[str, str]:
    """Where a result comes from, as texts, the machine first; never the time, which always differs."""
    hardware, blas, git = manifest.hardware, manifest.blas, manifest.git
    cores, versions = hardware.cores, manifest.versions
    commit = git.commit[:_COMMIT_LETTERS] if git.commit else _NOT_KNOWN
    protocol = results.protocol
    return {
        "CPU": hardware.cpu or hardware.short_name,
        "microarchitecture": hardware.microarchitecture or _NOT_KNOWN,
        "SIMD": " ".join(hardware.isa) or _NOT_KNOWN,
        "cores": f"{cores.usable} of {cores.logical}" + (f", quota {cores.quota:g}" if cores.quota else ""),
        "caches": " ".join(f"L{cache.level} {cache.bytes >> 10} KiB" for cache in hardware.caches) or _NOT_KNOWN,
        "memory": f"{hardware.memory_bytes / 2**30:.0f} GiB",
        "governor": hardware.governor or _NOT_KNOWN,
        "power": hardware.power or _NOT_KNOWN,
        "virtual machine": {True: "yes", False: "no", None: _NOT_KNOWN}[hardware.virtualized],
        "system": versions.get("system", _NOT_KNOWN),
        "Python": " ".join(filter(None, (versions.get("implementation"), versions.get("python")))) or _NOT_KNOWN,
        "compiler": versions.get("compiler", _NOT_KNOWN),
        "NumPy": versions.get("numpy", _NOT_KNOWN),
        "BLAS": " ".join(filter(None, (blas.library, blas.version))) or _NOT_KNOWN,
        "BLAS kernel": blas.kernel or _NOT_KNOWN,
        "threads": _NOT_KNOWN if blas.threads is None else str(blas.threads),
        "commit": commit + (" with changes" if git.dirty else ""),
        "protocol": "quick" if protocol.quick else "everything measured" if protocol.measure_all else "full",
        "sizes": ", ".join(map(str, protocol.sizes)),
        "methods": ", ".join(protocol.methods),
        "block size": str(protocol.block_size),
        "seed": str(protocol.seed),
        "dtype": protocol.dtype,
        "shares taken at": results.roof.statistic,
        "status": results.status,
    }


def differences(runs: Sequence[Run]) -> list[Difference]:
    """In what these runs differ, the machine first."""
    facts = [provenance(run.results, run.manifest) for run in runs]
    columns = {what: [one[what] for one in facts] for what in facts[0]} if facts else {}
    return [Difference(what, values) for what, values in columns.items() if len(set(values)) > 1]


# What tells runs apart in a name, in the order in which it is tried.
_NAMING = ("CPU", "Python", "NumPy", "BLAS kernel", "commit", "protocol")
_SAY_THEMSELVES = ("CPU", "Python", "protocol")


def _names_apart(read: Sequence[_Parts], given: Sequence[Path]) -> list[str]:
    """A name for each: of what differs between them as much as is needed, then the folder given, then a number."""
    shorts = [results.short_name for _, results, *_ in read]
    if len(read) == 1:
        return shorts
    facts = [provenance(results, manifest) for _, results, manifest, *_ in read]
    names = [""] * len(read)
    for what in _NAMING:
        values = shorts if what == "CPU" else [one[what] for one in facts]
        if len(set(values)) > 1:
            words = [value if what in _SAY_THEMSELVES else f"{what} {value}" for value in values]
            names = [f"{name}, {word}".removeprefix(", ") for name, word in zip(names, words, strict=True)]
        if len(set(names)) == len(names):
            return names
    folders = _folder_names(given)
    return [f"{name}, {folder}".removeprefix(", ") for name, folder in zip(names, folders, strict=True)]


def _folder_names(given: Sequence[Path]) -> list[str]:
    """The last part of each path in which they all differ: a and b of a/lab and b/lab; else with a number."""
    parts = [path.resolve().parts for path in given]
    shortest = min(map(len, parts))
    for back in range(1, shortest + 1):
        names = [part[-back] for part in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{part[-1]} {i}" for i, part in enumerate(parts, 1)]
