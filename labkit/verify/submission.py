"""A folder that is to be checked, read once: its files as bytes, its records as far as they can be read."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from labkit import codec
from labkit.errors import LabError
from labkit.records import Record, Roofline
from labkit.runs import locate
from labkit.verify.requirements import FILES
from labkit.verify.shapes import Manifest, Results

# A record of this lab is some hundred KiB, a figure too, a page or a source some ten: what is much larger is not read.
MOST_BYTES, MOST_BYTES_OF_TEXT = 64 << 20, 1 << 20
# Of a size, of flops, of a rate: beyond them no figure is one of a matrix product.
LARGEST_N, LARGEST_NUMBER, LEAST_NUMBER = 1 << 16, 1e18, 1e-18

T = TypeVar("T", bound=msgspec.Struct)


@dataclass(frozen=True)
class Submission:
    """What was handed in. A record that cannot be read is None, and `faults` says why, by file name."""

    folder: Path
    files: dict[str, bytes]
    faults: dict[str, str]
    results: Results | None
    manifest: Manifest | None
    roofline: Roofline | None


def read(folder: Path) -> Submission:
    """The submission in a folder, or in the checkout that the folder is; a LabError if it cannot be looked at."""
    try:
        if not folder.is_dir():
            raise LabError(f"{folder} is not a folder: name one that holds results.json")
        folder = locate(folder)
        names = {path.name for path in folder.iterdir() if path.is_file()}
    except OSError as error:
        raise LabError(f"{folder} cannot be looked into: {error.strerror}") from None
    files: dict[str, bytes] = {}
    faults: dict[str, str] = {}
    for name in FILES:
        try:
            if name not in names:
                faults[name] = "is not there"
            elif (folder / name).stat().st_size > _most_bytes(name):
                faults[name] = f"is larger than {_most_bytes(name) >> 20} MiB"
            else:
                files[name] = (folder / name).read_bytes()
        except OSError as error:
            faults[name] = f"cannot be read: {error.strerror}"
    results = _decode(files, "results.json", Results, faults)
    fault = _implausible(results) if results else None
    if fault:
        results, faults["results.json"] = None, fault
    manifest = _decode(files, "manifest.json", Manifest, faults)
    return Submission(folder, files, faults, results, manifest, _roofline(folder))


def _most_bytes(name: str) -> int:
    return MOST_BYTES_OF_TEXT if name.endswith((".md", ".py")) else MOST_BYTES


def _implausible(results: Results) -> str | None:
    """Why no figure could be computed from this record; None if they can."""
    for number in _numbers(msgspec.to_builtins(results)):
        if not abs(number) < LARGEST_NUMBER:
            return "it holds a number that is not finite, or larger than any of a matrix product"
    for cell in results.cells:
        if not 1 <= cell.n <= LARGEST_N or cell.flops < 1:
            return f"{cell.name} has {cell.flops} flop: N is 1 or more, and flop are 2 N^3"
        if not min(cell.gflops.median, cell.gflops.best, cell.gflops.low, cell.gflops.high) > 0:
            return f"{cell.name} has a rate that is not above 0"
    roof, e = results.roof, results.embedding
    above_zero = [
        ("roof.peak_gflops", roof.peak_gflops), ("roof.dram_gbs", roof.dram_gbs),
        ("roof.ridge_flop_per_byte", roof.ridge_flop_per_byte), ("roof.crossover_n", roof.crossover_n),
        *((f"speedup.{what}", getattr(speedup, what)) for speedup in (results.speedup, results.speedup_measured)
          if speedup for what in ("naive_seconds", "matmul_seconds", "factor")),
        *((f"embedding.{what}", getattr(e, what)) for what in ("gather_seconds", "one_hot_seconds") if e),
        *(("a comparison's ratio", comparison.ratio) for comparison in results.comparisons),
    ]  # fmt: skip
    return next((f"{name} is not above 0" for name, value in above_zero if not value > LEAST_NUMBER), None)


def _numbers(value: object) -> Iterator[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _numbers(one)
    elif isinstance(value, int | float):
        yield value


def _decode(files: dict[str, bytes], name: str, kind: type[T], faults: dict[str, str]) -> T | None:
    if name not in files:
        return None
    try:
        return msgspec.json.decode(files[name], type=kind)
    except (ValueError, RecursionError, OverflowError) as error:
        faults[name] = " ".join(str(error).split())
        return None


def _roofline(folder: Path) -> Roofline | None:
    """The roof's own record, beside the lab's as in a checkout, or in the folder itself."""
    for path in (folder / "kernels.json", folder.parent / "01-roofline" / "kernels.json"):
        if found := beside(path, Roofline):
            return found
    return None


R = TypeVar("R", bound=Record)


def beside(path: Path, kind: type[R]) -> R | None:
    """A record that may stand beside a submission; None where there is no valid one, or something else of that name."""
    try:
        if path.is_file() and path.stat().st_size <= MOST_BYTES:
            return codec.read(path, kind)
    except (LabError, OSError):
        pass
    return None
