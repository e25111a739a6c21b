"""A folder that is to be checked, read once. It is hostile input: only regular files within it, each up to a limit."""

import contextlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from labkit.errors import UserError
from labkit.records import io
from labkit.records.derive import Analysis, derive
from labkit.records.find import ROOFLINE, locate
from labkit.records.model import Results, Roofline
from labkit.verify.assignment import FILES

# A record has some 100 KiB, and so has a figure; a page or a source some 10.
MOST_BYTES, MOST_BYTES_OF_TEXT = 64 << 20, 1 << 20
MOST_SAMPLES, MOST_IN_ALL = 5_000, 50_000  # of a series, of a record: their intervals take seconds
# What a record that cannot be judged ends in.
UNUSABLE = (
    *(ArithmeticError, ValueError, TypeError, LookupError, AttributeError, RecursionError, MemoryError),
    StopIteration,  # of a series that is not there
)


@dataclass(frozen=True)
class Submission:
    """What was handed in. `faults` says by file name why it is not in `files`, or of no use."""

    folder: Path
    files: dict[str, bytes]
    faults: dict[str, str]
    results: tuple[Results, Analysis] | None  # the record, and what follows from its samples
    manifest: dict[str, Any]  # as it stands, since a foreign one may have other fields
    roofline: Roofline | None


def read(folder: Path) -> Submission:
    """The submission in a folder, or in the checkout that the folder is; a UserError if it is no folder."""
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder: name one that holds results.json")
    folder = locate(folder)
    files: dict[str, bytes] = {}
    faults: dict[str, str] = {}
    for name in FILES:
        try:
            files[name] = read_file(folder / name, folder)
        except UserError as error:
            faults[name] = str(error)
    results = manifest = roofline = None
    if io.RESULTS in files:
        try:
            record = io.decode(files[io.RESULTS], Results, io.RESULTS)
            results = record, _derived(record)
        except UserError as error:
            faults[io.RESULTS] = str(error).removeprefix(io.RESULTS).strip()
        except UNUSABLE as error:
            faults[io.RESULTS] = f"allows nothing to be derived: {type(error).__name__}: {error}"
    if io.MANIFEST in files:
        with contextlib.suppress(ValueError, RecursionError, OverflowError):
            manifest = msgspec.json.decode(files[io.MANIFEST])
        if not isinstance(manifest, dict):
            faults[io.MANIFEST] = "is no JSON object"
    for place in (folder, folder.resolve().parent):  # beside the result, as in a checkout, comes last and counts
        with contextlib.suppress(UserError):
            roofline = io.decode(read_file(place / ROOFLINE / io.KERNELS, place), Roofline, io.KERNELS)
    return Submission(folder, files, faults, results, manifest if isinstance(manifest, dict) else {}, roofline)


def _derived(record: Results) -> Analysis:
    """What follows from the samples; a ValueError if there are too many to say it in time."""
    many = [len(s.seconds) for s in record.samples]
    if max(many, default=0) > MOST_SAMPLES or sum(many) > MOST_IN_ALL:
        raise ValueError(f"a series has {max(many):,} samples, of {sum(many):,}: take several calls as one sample")
    return derive(record)


def read_file(path: Path, folder: Path) -> bytes:
    """A regular file's bytes; a UserError with what it is instead. A pipe or a device is not waited for."""
    limit = MOST_BYTES_OF_TEXT if path.suffix in (".md", ".py") else MOST_BYTES
    try:
        if not path.resolve().is_relative_to(folder.resolve()):
            raise UserError("is a link out of the folder: put the file itself there")
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with open(handle, "rb") as file:
            about = os.fstat(handle)
            if not stat.S_ISREG(about.st_mode):
                raise UserError("is no regular file")
            if about.st_size > limit:
                raise UserError(f"is larger than {limit >> 20} MiB")
            return file.read(limit)
    except FileNotFoundError:
        raise UserError("is not there") from None
    except (OSError, RuntimeError) as error:  # RuntimeError: a link to itself
        raise UserError(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
