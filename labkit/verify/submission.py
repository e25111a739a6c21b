"""A folder that is to be checked, read once: its files as bytes, its records as far as they can be read."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from labkit import codec
from labkit.errors import LabError, os_error
from labkit.records import Roofline
from labkit.runs import locate
from labkit.verify.requirements import FILES
from labkit.verify.shapes import Manifest, Results

# A record of this lab is some hundred KiB, a figure too: what is larger is not read.
MOST_BYTES = 64 << 20

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
        raise os_error(f"look into {folder}", error) from None
    files: dict[str, bytes] = {}
    faults: dict[str, str] = {}
    for name in FILES:
        try:
            if name not in names:
                faults[name] = "is not there"
            elif (folder / name).stat().st_size > MOST_BYTES:
                faults[name] = f"is larger than {MOST_BYTES >> 20} MiB"
            else:
                files[name] = (folder / name).read_bytes()
        except OSError as error:
            faults[name] = f"cannot be read: {error.strerror}"
    results = _decode(files, "results.json", Results, faults)
    manifest = _decode(files, "manifest.json", Manifest, faults)
    return Submission(folder, files, faults, results, manifest, _roofline(folder))


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
        try:
            return codec.read(path, Roofline)
        except LabError:
            continue
    return None
