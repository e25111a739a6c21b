"""A folder or a zip that is to be checked, read once. Hostile input: only regular files within it, up to a limit."""

import contextlib
import itertools
import os
import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labkit.errors import UserError
from labkit.records import io
from labkit.records.derive import Analysis, derive
from labkit.records.find import ROOFLINE, locate
from labkit.records.model import Results, Roofline
from labkit.verify import documents, layout
from labkit.verify.assignment import FILES
from labkit.verify.cells import Timed, of_analysis

MOST_BYTES_OF_TEXT = 1 << 20  # a page or a source has some 10 KiB
# Of a zip: members, bytes unpacked, and how many times its own size that may be. Text shrinks to a tenth or so.
MOST_MEMBERS, MOST_UNPACKED, MOST_RATIO = 2_000, 128 << 20, 100
LEVELS, MOST_FOLDERS = 3, 300  # where learning platforms and zip programs put the folder
LINK = 0o120000  # the kind of a member, in the upper half of its attributes
# Keys of a peak, and of what is another quantity of it.
PEAK, NO_RATE = re.compile("peak|pico|spitze|roof"), re.compile("gb|band|dram|fraction|percent|ghz|pct|ridge|cross")
# What a record that cannot be judged ends in.
UNUSABLE = (
    *(ArithmeticError, ValueError, TypeError, LookupError, AttributeError, RecursionError, MemoryError),
    StopIteration,  # of a series that is not there
)


@dataclass(frozen=True)
class Submission:
    """What was handed in. `faults` says by file name why it is not in `files`, or of no use.

    `results` is a record of this project's own schema, with what follows from its samples; `cells` are those of any
    layout. `said` is what a plain results.json says beside its cells; `peaks` are the FMA peaks on record, GFLOPS.
    """

    folder: Path
    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    results: tuple[Results, Analysis] | None = None
    cells: list[Timed] = field(default_factory=list)
    said: Any = None
    manifest: Any = None  # as it stands, since a foreign one may have other fields
    roofline: Roofline | None = None
    peaks: list[float] = field(default_factory=list)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Submission]:
    """The submission in a folder, a checkout or a zip; a UserError if it is none of them."""
    with contextlib.ExitStack() as stack:
        folder = path
        try:
            packed = path if path.is_file() else _only_zip(path)
            if packed:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                unpack(packed, folder)
        except UserError as error:
            if path.is_file() and path.suffix.lower() != ".zip":
                raise UserError(f"{path} {error}") from None
            yield Submission(path, faults=dict.fromkeys(FILES, f"is not there: {path.name} {error}"))
            return
        yield read(folder)


def _only_zip(folder: Path) -> Path | None:
    """The zip that a folder holds, where it holds nothing that was asked for."""
    if not folder.is_dir() or any((inner(folder) / name).exists() for name in FILES):
        return None
    return next((path for path in sorted(folder.glob("*.[zZ][iI][pP]"))[:1] if path.is_file()), None)


def unpack(path: Path, into: Path) -> None:
    """The files of a zip in a folder; a UserError, and nothing unpacked, if one is a link or leads out, or is huge."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if not m.is_dir() and "__MACOSX" not in m.filename]
            unpacked = sum(m.file_size for m in members)
            if len(members) > MOST_MEMBERS or unpacked > MOST_UNPACKED:
                raise UserError(
                    f"holds {len(members):,} files of {unpacked >> 20:,} MiB: leave out what was not asked for"
                )
            if unpacked > MOST_RATIO * path.stat().st_size + (1 << 20):
                raise UserError(f"unpacks to {unpacked // path.stat().st_size:,} times its size, which no text does")
            for m in members:
                target = (into / m.filename.replace("\\", "/")).resolve()
                if not target.is_relative_to(into.resolve()) or m.external_attr >> 16 & 0o170000 == LINK:
                    raise UserError(f"has {m.filename!r:.60}, which is a link or leads out of the folder")
            for m in members:
                target = (into / m.filename.replace("\\", "/")).resolve()
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(m))
    except (zipfile.BadZipFile, zlib.error, RuntimeError, OSError, ValueError, EOFError) as e:
        raise UserError(f"is no zip that can be read: {e}") from None


def inner(folder: Path) -> Path:
    """The folder that holds most of what was asked for: this one, or one within it."""
    found = locate(folder)
    if found != folder or not folder.is_dir():
        return found
    best, most = folder, sum((folder / name).exists() for name in FILES)
    for path, folders, names in itertools.islice(os.walk(folder), MOST_FOLDERS):
        deep = len(Path(path).relative_to(folder).parts)
        folders[:] = [] if deep >= LEVELS else sorted(f for f in folders if f[0] not in "._" and "env" not in f)
        if (many := len({*FILES} & {*names})) > most:
            best, most = Path(path), many
    return best


def read(folder: Path) -> Submission:
    """The submission in a folder, or in the folder within it that holds one; a UserError if it is no folder."""
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder: name one that holds results.json")
    folder = inner(folder)
    files: dict[str, bytes] = {}
    faults: dict[str, str] = {}
    for name in FILES:
        try:
            files[name] = read_file(folder / name, folder)
        except UserError as error:
            faults[name] = str(error)
    results, cells, said, manifest, roofline = None, list[Timed](), None, None, None
    if io.RESULTS in files:
        try:
            results, cells, said = _results(files[io.RESULTS])
        except UserError as error:
            faults[io.RESULTS] = str(error).removeprefix(io.RESULTS).strip()
        except UNUSABLE as error:
            faults[io.RESULTS] = str(error) if type(error) is ValueError else f"cannot be read: {type(error).__name__}"
    if io.MANIFEST in files:
        try:
            manifest = documents.document(files[io.MANIFEST])
        except UNUSABLE as error:
            faults[io.MANIFEST] = str(error) if type(error) is ValueError else f"cannot be read: {type(error).__name__}"
    beside: Any = None
    for place in (folder, folder.resolve().parent):  # beside the result, as in a checkout, comes last and counts
        with contextlib.suppress(UserError, *UNUSABLE):
            raw = read_file(place / ROOFLINE / io.KERNELS, place)
            beside = documents.document(raw)
            roofline = io.decode(raw, Roofline, io.KERNELS)
    peaks = [results[1].roof.peak_gflops] if results else [p for d in (said, manifest, beside) for p in _peaks(d)]
    return Submission(folder, files, faults, results, cells, said, manifest, roofline, peaks)


def _results(raw: bytes) -> tuple[tuple[Results, Analysis] | None, list[Timed], Any]:
    """(a record of this project with what follows from it, the cells, the document); a ValueError or a UserError."""
    said = documents.document(raw)
    if isinstance(said, dict) and str(said.get("schema")).startswith("matmul-perf/"):
        record = io.decode(raw, Results, io.RESULTS)
        found = derive(record)
        return (record, found), of_analysis(found), None
    if cells := layout.read(said):
        return None, cells, said
    example = '[{"method": "naive", "N": 64, "seconds": [0.17, 0.18], "gflops": 0.003}, ...]'
    raise ValueError(f"has no cell with a method, an N and seconds or GFLOPS: write for example {example}")


def _peaks(value: Any) -> Iterator[float]:
    """Every number that a document calls a peak in GFLOPS."""
    for path, number in documents.facts(value):
        where = " ".join(path)
        named = PEAK.search(where) and not NO_RATE.search(where)
        if named and documents.is_number(number) and 1 < number < 1e5:
            yield float(number)


def read_file(path: Path, folder: Path) -> bytes:
    """A regular file's bytes; a UserError with what it is instead."""
    limit = MOST_BYTES_OF_TEXT if path.suffix in (".md", ".py") else io.MOST_BYTES
    try:
        return io.contents(path, folder, limit)
    except UserError as error:
        raise UserError(str(error).removeprefix(path.name).strip()) from None
    except FileNotFoundError:
        raise UserError("is not there") from None
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror or error}") from None
