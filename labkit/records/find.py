"""Where records are: the results in a folder with what stands beside them, and the roofline of this machine."""

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TypeVar

from labkit.errors import UserError, printable
from labkit.machine.hardware import MachineIdentity, identity
from labkit.records import io
from labkit.records.derive import Analysis, derive
from labkit.records.model import Ladder, Manifest, Record, Repeat, Results, Roofline, Traffic

BENCH, ROOFLINE, LADDER = "03-matmul-perf", "01-roofline", "03-speedup-ladder"
_CHECKOUT = Path(__file__).resolve().parents[2]
# In .state/: the digest of the roofline that was measured into this folder, rather than came with the checkout.
_MEASURED_HERE = "measured"
_DATED = re.compile(r"\d{4}-\d\d-\d\d")  # begins the name of a folder in which a node keeps one of its results

T = TypeVar("T", bound=Record)


def experiment(name: str) -> Path:
    """The folder of an experiment in this checkout; for an installed labkit, below the current folder."""
    checkout = _CHECKOUT / "experiments"
    return (checkout if checkout.is_dir() else Path.cwd()) / name


@dataclass(frozen=True)
class Run:
    """One result of the benchmark, and what stands beside it where it is of the same machine and NumPy."""

    name: str
    folder: Path
    results: Results
    analysis: Analysis
    manifest: Manifest
    roofline: Roofline | None = None
    ladder: Ladder | None = None
    repeat: Repeat | None = None
    traffic: Traffic | None = None


def locate(folder: Path) -> Path:
    """The folder that holds the results: this one, or the experiment of the checkout that this one is."""
    inner = folder / "experiments" / BENCH
    return inner if not (folder / io.RESULTS).exists() and inner.is_dir() else folder


def read_run(folder: Path, name: str = "") -> Run:
    """The result in a folder; a UserError that names the folder if it cannot be read."""
    try:
        results = io.read(folder / io.RESULTS, Results, "name folders that bench.py left")
        manifest = io.read(folder / io.MANIFEST, Manifest)
    except UserError as error:
        raise UserError(f"{folder}: {error}") from None
    who = of_manifest(manifest)
    repeat = io.read_if_there(folder / io.REPEAT, Repeat)
    return Run(
        name or results.short_name,
        folder,
        results,
        derive(results),
        manifest,
        roofline=roofline_beside(folder, who),
        ladder=_of_the_same(folder.parent / LADDER, io.RESULTS, Ladder, who),
        repeat=repeat if repeat and of_manifest(repeat.manifest) == who else None,
        traffic=traffic_of(who, folder.parent / ROOFLINE),
    )


def gather(folders: Sequence[Path], labels: Sequence[str] = (), since: str = "") -> list[Run]:
    """The results in these folders, each named by its label or the last part of its path in which they differ.

    A folder of folders stands for all results in it, and one of dated results for the newest, or for all from the date
    `since` on, which have one name. A UserError names all that cannot be read.
    """
    if since and not _is_date(since):
        raise UserError(f"{printable(since)} is no date: name one like 2026-01-31")
    below = [one for folder in folders for one in _results_in(folder, since) or [(folder, [folder])]]
    found = [(of, dated) for of, dated in below if dated]
    if not found:
        raise UserError(f"no result is as new as {since}: name an earlier date with --since")
    if labels and (len(labels) != len(found) or len(set(labels)) != len(labels)):
        raise UserError(f"{len(found)} folders need as many labels, no two the same: repeat --label, or leave it out")
    names = labels or (_folder_names([of for of, _ in found]) if sum(len(dated) for _, dated in found) > 1 else [""])
    runs: list[Run] = []
    unread: list[str] = []
    for path, name in ((path, name) for (_, dated), name in zip(found, names, strict=True) for path in dated):
        try:
            runs.append(read_run(locate(path), name))
        except UserError as error:
            unread.append(str(error))
    if unread:
        raise UserError("; ".join(dict.fromkeys(unread)))
    return runs


def _is_date(word: str) -> bool:
    with contextlib.suppress(ValueError):
        return bool(_DATED.match(word) and date.fromisoformat(word[:10]))
    return False


def _results_in(folder: Path, since: str, levels: int = 2) -> list[tuple[Path, list[Path]]]:
    """Each result in a folder, or in folders so far below it: (what names it, its own folders, the oldest first)."""
    if (locate(folder) / io.RESULTS).exists():
        return [(folder, [folder])]
    inner = sorted(path for path in folder.iterdir() if path.is_dir()) if levels and folder.is_dir() else []
    dated = [path for path in inner if _DATED.match(path.name) and (path / io.RESULTS).exists()]
    if dated:
        return [(folder, [path for path in dated if path.name >= since] if since else dated[-1:])]
    return [one for path in inner for one in _results_in(path, since, levels - 1)]


def _folder_names(folders: Sequence[Path]) -> list[str]:
    """a and b of a/lab and b/lab; with a number where no part tells them apart."""
    parts = [path.absolute().parts for path in folders]
    for back in range(1, min(map(len, parts)) + 1):
        names = [printable(part[-back]) for part in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{printable(part[-1])} {i}" for i, part in enumerate(parts, 1)]


def of_manifest(manifest: Manifest) -> MachineIdentity:
    """The machine and NumPy that a manifest names."""
    return identity(manifest.hardware, manifest.blas, manifest.versions.get("numpy", ""))


def _of_the_same(folder: Path, name: str, kind: type[T], who: MachineIdentity) -> T | None:
    """The record in a folder whose manifest names this machine; None where there is none."""
    manifest = io.read_if_there(folder / io.MANIFEST, Manifest)
    return io.read_if_there(folder / name, kind) if manifest and of_manifest(manifest) == who else None


def results_of(who: MachineIdentity, folder: Path) -> Results | None:
    """The benchmark's results beside an experiment's folder, where they are of this machine."""
    return _of_the_same(folder.parent / BENCH, io.RESULTS, Results, who)


def traffic_of(who: MachineIdentity, folder: Path) -> Traffic | None:
    """The record of the bytes that moved in an experiment's folder, where it is of this machine."""
    traffic = io.read_if_there(folder / io.TRAFFIC, Traffic)
    return traffic if traffic and traffic.machine == who else None


# --- the roofline of this machine ------------------------------------------------------------------------


def roofline_beside(folder: Path, who: MachineIdentity) -> Roofline | None:
    """The roofline beside a result, or in it, where it is of this machine."""
    found = (io.read_if_there(place / ROOFLINE / io.KERNELS, Roofline) for place in (folder.parent, folder))
    return next((roofline for roofline in found if roofline and roofline.machine == who), None)


@dataclass(frozen=True)
class RooflineSource:
    """The roofline to use, or where to measure one and why."""

    roofline: Roofline | None
    folder: Path
    why: str = ""


def find_roofline(who: MachineIdentity, output: Path) -> RooflineSource:
    """This machine's roofline for a run into `output`: the one in that folder, or this checkout's own.

    A record that came with the checkout does not count. A run with an output of its own measures into that, and
    changes nothing outside. A UserError if a record is damaged.
    """
    shared = experiment(ROOFLINE)
    private = output / ROOFLINE
    own = (experiment(BENCH).resolve(), experiment(LADDER).resolve())
    into = shared if output.resolve() in own else private
    why = "There is no roofline of this machine yet: measuring it."
    for folder in dict.fromkeys((private, shared)):
        path = folder / io.KERNELS
        if not path.exists() or not (measured_here(folder) or folder == into):
            continue
        try:
            record = io.read(path, Roofline)
        except UserError as error:
            if folder != into or io.MEASURE_AGAIN in str(error):
                continue
            raise UserError(f"{error}; delete it, or measure again with 'make roofline'") from None
        if record.machine != who:
            why = f"The roofline on record is another machine's ({record.short_name}): measuring this one's."
        elif measured_here(folder):
            return RooflineSource(record, folder)
        else:
            why = "This checkout has not measured the roofline itself yet: measuring it."
    return RooflineSource(None, into, why)


def measured_here(folder: Path) -> bool:
    """Whether the roofline in a folder was measured into it, rather than came with the checkout."""
    with contextlib.suppress(OSError):
        return (folder / io.STATE / _MEASURED_HERE).read_text() == io.digest((folder / io.KERNELS).read_bytes())
    return False


def mark_measured(folder: Path, right: bool = True) -> None:
    """Remember that the roofline in a folder was measured into it; forget it where it is not right."""
    marker = io.state_folder(folder) / _MEASURED_HERE
    if right:
        io.write_atomically(marker, io.digest((folder / io.KERNELS).read_bytes()).encode())
    else:
        marker.unlink(missing_ok=True)
