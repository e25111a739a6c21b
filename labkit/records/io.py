"""Records as files: JSON that is validated on reading, a lock on the folder, writes that are whole or not at all.

A record may have been handed in, so it is hostile input: `contents` reads a regular file of a sane size and nothing
else, and `decode` leaves no control character in a text. What resuming needs lives in `.state/` beside the artifacts,
which git ignores.
"""

import contextlib
import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import filelock
import msgspec

from labkit.errors import UserError, os_error
from labkit.records.model import Ladder, Record, Results, Roofline

T = TypeVar("T", bound=Record)

RESULTS, MANIFEST, KERNELS, REPEAT, PAGE = "results.json", "manifest.json", "kernels.json", "repeat.json", "README.md"
TRAFFIC = "traffic.json"
STATE = ".state"
# Written and removed at the start: a full or read-only disk is found before anything is measured.
SPARE_BYTES = 4 << 20
_SPARE = ".spare."  # begins the name of every temporary file; the next run removes what a kill has left
MOST_BYTES = 64 << 20  # of a file that is read; a record has some 100 KiB, and one of 50,000 samples 5 MiB
MEASURE_AGAIN = "measure again, or restore it from git"


# --- JSON ----------------------------------------------------------------------------------------------

# Numbers, null, or the few words of a flag: an array of those stands on one line, as people read records too.
_ENTRY = rb'(?:[-+\d.eE]+|null|"[a-z ]*")'
_ARRAY = re.compile(rb"\[\n\s*(" + _ENTRY + rb"(?:,\n\s*" + _ENTRY + rb")*)\n\s*\]")


# What a terminal obeys or turns around: control characters, and those that set the direction of writing.
_ESCAPED = re.compile(
    rb"\\(?:(\\)|u00(?:[01][\da-f]|7f|[89][\da-f])|u20(?:2[89a-e])|u206[6-9]|[bf])", re.IGNORECASE
)  # an escaped backslash is kept, with what follows it
_RAW = re.compile(rb"\xc2[\x80-\x9f]|\x7f|\xe2\x80[\xa8-\xae]|\xe2\x81[\xa6-\xa9]")


def encode(record: Record) -> bytes:
    """The record as indented JSON, after the checks that reading makes."""
    raw = msgspec.json.encode(record)
    msgspec.json.decode(raw, type=type(record))
    text = msgspec.json.format(raw, indent=1)
    return _ARRAY.sub(lambda m: b"[" + re.sub(rb",\n\s*", b", ", m[1]) + b"]", text) + b"\n"


def decode(raw: bytes, kind: type[T], name: str) -> T:
    """A record of this kind, or a UserError that says what is wrong with the file called `name`."""
    try:
        return msgspec.json.decode(
            _RAW.sub(b" ", _ESCAPED.sub(lambda found: b"\\\\" if found[1] else b" ", raw)), type=kind
        )
    except (ValueError, RecursionError, OverflowError) as error:
        why = " ".join(str(error).split())  # on one line, whatever text of the file it quotes
    other, wanted = _other_schema(raw, kind)
    if other.partition("/")[0] == wanted.partition("/")[0] != "":
        raise UserError(f"{name} has the schema {other}, of an older version: {MEASURE_AGAIN}")
    if other:
        raise UserError(f"{name} has the schema {other}, and {wanted} is needed")
    raise UserError(f"{name} is not a valid {kind.__name__.lower()} record: {why}")


def _other_schema(raw: bytes, kind: type[Record]) -> tuple[str, str]:
    """(the schema that the file states, where it is another than this kind has, else nothing; that of this kind)."""
    wanted = msgspec.json.schema(kind)["$defs"][kind.__name__]["properties"].get("schema", {}).get("enum", [])
    try:
        said = msgspec.json.decode(raw, type=dict[str, object]).get("schema")
    except (ValueError, RecursionError):
        return "", ""
    known = wanted and isinstance(said, str) and re.fullmatch(r"[a-z-]+/\d+", said)
    return (str(said), wanted[0]) if known and said not in wanted else ("", "")


def read(path: Path, kind: type[T], fix: str = "") -> T:
    """The record in a file; a UserError, with what fixes it, if it is missing, unreadable or not valid."""
    fix = f"; {fix}" if fix else ""
    try:
        return decode(contents(path), kind, path.name)
    except OSError as error:
        raise UserError(f"cannot read {path.name}: {error.strerror or error}{fix}") from None
    except UserError as error:
        raise UserError(f"{error}{fix if MEASURE_AGAIN not in str(error) else ''}") from None


def read_if_there(path: Path, kind: type[T]) -> T | None:
    """The record in a file; None where there is no valid one."""
    with contextlib.suppress(UserError):
        return read(path, kind)
    return None


def contents(path: Path, folder: Path | None = None, most: int = MOST_BYTES) -> bytes:
    """A file's bytes: of a regular file within a folder (its own, if none is named), of so many bytes at most.

    An OSError if it cannot be opened, a UserError if it is something else. A pipe or a device is not waited for.
    """
    try:
        inside = path.resolve().is_relative_to((folder or path.parent).resolve())
    except RuntimeError:  # a link to itself, before Python 3.13
        inside = False
    if not inside:
        raise UserError(f"{path.name} is a link out of the folder: put the file itself there")
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode):
            raise UserError(f"{path.name} is no regular file")
        if about.st_size > most:
            raise UserError(f"{path.name} is larger than {most >> 20} MiB")
        with open(handle, "rb", closefd=False) as file:
            return file.read(most)
    finally:
        os.close(handle)


def digest(data: bytes) -> str:
    """SHA-256, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


# --- files ---------------------------------------------------------------------------------------------


def named(folder: Path) -> str:
    """A folder by its name alone: records and messages hold no absolute path."""
    return folder.resolve().name


def state_folder(output: Path) -> Path:
    """The folder for what resuming needs, made if it is not there."""
    folder = output / STATE
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise os_error(f"make the folder {named(output)}/{STATE}", error) from None
    return folder


def check_writable(output: Path, kind: type[Record]) -> None:
    """A UserError now, rather than after the measurement, if the output cannot be written or has another kind's record.

    Two experiments leave files of the same names.
    """
    for name, other in ((RESULTS, Results), (RESULTS, Ladder), (KERNELS, Roofline)):
        if other is not kind and read_if_there(output / name, other):
            raise UserError(f"{named(output)} holds another experiment's {name}: choose another folder with --output")
    for folder, size in ((state_folder(output), SPARE_BYTES), (output, 0)):
        try:
            for left_by_a_kill in folder.glob(f"{_SPARE}*"):
                left_by_a_kill.unlink(missing_ok=True)
            with tempfile.NamedTemporaryFile(dir=folder, prefix=_SPARE) as spare:
                spare.write(bytes(size))
                spare.flush()
        except OSError as error:
            raise os_error(f"write into {named(folder)}", error) from None


@contextlib.contextmanager
def locked(output: Path, wait_seconds: float = 0.0) -> Iterator[None]:
    """Hold the output folder for this process alone, after waiting so long for another to leave it."""
    lock = filelock.FileLock(state_folder(output) / "lock")
    try:
        lock.acquire(timeout=wait_seconds)
    except filelock.Timeout:
        raise UserError(
            f"another run is measuring into {named(output)}: wait until it ends, or choose another folder with --output"
        ) from None
    except OSError as error:
        raise os_error(f"lock {named(output)}", error) from None
    try:
        yield
    finally:
        lock.release()


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file in one step: a reader sees the old one or the new one, whole."""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=_SPARE)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise os_error(f"write {path.name}", error) from None


def write_all(output: Path, files: Mapping[str, bytes]) -> None:
    """Write a set of files, each whole, in this order: what the others are made from comes first."""
    for name, data in files.items():
        write_atomically(output / name, data)
