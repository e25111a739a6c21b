"""Files at the rim: a lock, a journal of repetitions, and whole sets of artifacts put in place at once.

Everything that resuming needs lives in `.state/` beside the artifacts, which git ignores.
"""

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import filelock
import msgspec

from labkit.errors import LabError, os_error

STATE = ".state"
_INDEX = "index.json"  # its presence says that a staged set is whole
# Written and removed at the start: a full or read-only disk is found before anything is measured.
SPARE_BYTES = 4 << 20
_SPARE = ".spare."


def state_folder(output: Path) -> Path:
    """The folder for what resuming needs, made if it is not there."""
    folder = output / STATE
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise os_error(f"make the folder {_named(output)}/{STATE}", error) from None
    return folder


def check_writable(output: Path, *others: Path) -> None:
    """A LabError now, rather than after the measurement, if the output or another folder cannot be written."""
    for folder, size in ((state_folder(output), SPARE_BYTES), (output, 0), *((other, 0) for other in others)):
        with _refusals_said_as(f"write into {_named(folder)}"):
            for left_by_a_kill in folder.glob(f"{_SPARE}*"):
                left_by_a_kill.unlink(missing_ok=True)
            with tempfile.NamedTemporaryFile(dir=folder, prefix=_SPARE) as spare:
                spare.write(bytes(size))
                spare.flush()


def _named(folder: Path) -> str:
    """A folder by its name alone: records and messages hold no absolute path."""
    return folder.resolve().name


@contextlib.contextmanager
def _refusals_said_as(action: str) -> Iterator[None]:
    """What the operating system refuses in here is a LabError: one line that says what could not be done."""
    try:
        yield
    except OSError as error:
        raise os_error(action, error) from None


@contextlib.contextmanager
def locked(output: Path, wait_seconds: float = 0.0) -> Iterator[None]:
    """Hold the output folder for this process alone, after waiting so long for another to leave it."""
    lock = filelock.FileLock(state_folder(output) / "lock")
    try:
        lock.acquire(timeout=wait_seconds)
    except filelock.Timeout:
        raise LabError(
            f"another run is measuring into {_named(output)}: "
            "wait until it ends, or choose another folder with --output"
        ) from None
    except OSError as error:
        raise os_error(f"lock {_named(output)}", error) from None
    try:
        yield
    finally:
        lock.release()


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file in one step: a reader sees the old one or the new one, whole."""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
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


# --- a set of artifacts -----------------------------------------------------------------------------


@contextlib.contextmanager
def staging(output: Path) -> Iterator[Path]:
    """An empty folder beside the artifacts in which the next set is made; a whole one is left to `settle`."""
    settle(output)
    try:
        folder = Path(tempfile.mkdtemp(dir=state_folder(output), prefix="stage-"))
    except OSError as error:
        raise os_error(f"write into {_named(output)}", error) from None
    try:
        yield folder
    finally:
        if not (folder / _INDEX).exists():
            shutil.rmtree(folder, ignore_errors=True)


def publish(stage: Path, output: Path, targets: Mapping[str, str]) -> None:
    """Put a staged set in place: `targets` maps a staged file's name to its path relative to `output`.

    An index is written first, so that a stop between two of the renames is mended by `settle`.
    """
    for name in targets:
        with _refusals_said_as(f"write {name}"):
            _sync(stage / name)
    write_atomically(stage / _INDEX, msgspec.json.encode(dict(targets)))
    _put_in_place(stage, output)


def put(output: Path, made: Mapping[str, bytes]) -> None:
    """Put a set in place that is made already: file names to contents."""
    with staging(output) as stage:
        for name, data in made.items():
            write_atomically(stage / name, data)
        publish(stage, output, {name: name for name in made})


def settle(output: Path) -> None:
    """Finish a set whose putting in place was cut short, and remove what was left half made."""
    state = output / STATE
    with _refusals_said_as(f"read {_named(output)}/{STATE}"):
        stages = sorted(state.glob("stage-*"))
    for stage in stages:
        if (stage / _INDEX).exists():
            _put_in_place(stage, output)
        shutil.rmtree(stage, ignore_errors=True)


def _put_in_place(stage: Path, output: Path) -> None:
    index = f"{STATE}/{stage.name}/{_INDEX}"
    try:
        with _refusals_said_as(f"read {index}"):
            targets = msgspec.json.decode((stage / _INDEX).read_bytes(), type=dict[str, str])
        for name, target in targets.items():
            if (stage / name).is_file():
                with _refusals_said_as(f"write {target}"):
                    os.replace(stage / name, output / target)
    except (ValueError, RecursionError):  # no JSON, no text, no file name
        raise LabError(f"{index} is damaged: delete {STATE}/{stage.name} and give the same command again") from None
    with _refusals_said_as(f"remove {index}"):
        (stage / _INDEX).unlink(missing_ok=True)


def _sync(path: Path) -> None:
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def digest(data: bytes) -> str:
    """SHA-256, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


# --- the journal ------------------------------------------------------------------------------------


class Journal:
    """One JSON object a line, each written when it has been measured and never again.

    The first line is a header: what the samples hold for. A last line cut short by a kill is dropped on
    opening; a damaged line before it is refused.
    """

    def __init__(self, path: Path, header: Mapping[str, object]) -> None:
        """Open the journal of an unfinished run with this header, or begin one.

        `entries` then holds what had been measured, `stale` whether an older run's had to be set aside.
        """
        self.path = path
        self.entries: list[dict[str, object]] = []
        self.stale = False
        try:
            lines = self._whole_lines()
            if lines and lines[0] != dict(header):
                os.replace(path, path.with_suffix(".stale"))
                self.stale, lines = True, []
            self.entries = lines[1:]
            self._file = open(path, "ab", buffering=0)  # noqa: SIM115 (held open for the run; closed by `close`)
            if not lines:
                self.write([dict(header)])
        except OSError as error:
            raise os_error(f"write {path.name}", error) from None

    def _whole_lines(self) -> list[dict[str, object]]:
        if not self.path.exists():
            return []
        raw = self.path.read_bytes()
        whole = raw[: raw.rfind(b"\n") + 1]
        if len(whole) < len(raw):
            with open(self.path, "r+b") as file:
                file.truncate(len(whole))
        lines: list[dict[str, object]] = []
        finished: dict[tuple[object, ...], dict[str, object]] = {}
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                entry = msgspec.json.decode(line, type=dict[str, object])
                # A cell is visited once a round at most: a line that says so again was copied, not measured.
                if "round" in entry:
                    visit = tuple(entry.get(name) for name in ("kind", "method", "n", "round"))
                    if finished.setdefault(visit, entry) != entry:
                        raise ValueError("two repetitions of a cell in one round")
                    if finished[visit] is not entry:
                        continue
            except (ValueError, TypeError, RecursionError):
                raise LabError(
                    f"{STATE}/{self.path.name} is damaged at line {number}: start over with --fresh"
                ) from None
            lines.append(entry)
        return lines

    def write(self, entries: list[dict[str, object]]) -> None:
        """Hand entries to the system, whole lines at a time: they outlive this process from here on."""
        data = b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries)
        try:
            while data:
                data = data[self._file.write(data) :]
        except OSError as error:
            raise os_error(f"write {self.path.name}", error) from None

    def sync(self) -> None:
        """See the entries on the disk: they outlive a power cut from here on."""
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise os_error(f"write {self.path.name}", error) from None

    def close(self) -> None:
        """Keep the file for a run to come."""
        with contextlib.suppress(OSError):
            self._file.close()

    def finish(self) -> None:
        """The run is complete: the same command shall begin a new one."""
        self.close()
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)
