"""The journal of a run: one JSON object a line, each written when it has been measured and never again."""

import contextlib
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from labkit.errors import UserError, os_error
from labkit.measure.sampling import Sample
from labkit.records.io import STATE
from labkit.records.model import Count, Positive, Seconds

# A change in any of these and an unfinished run starts over.
MEASURING_ROOMS = ("measure", "matmul", "ladder", "gemm", "roofline")
# What the embedding is, how many samples are needed, which of them are uncontended.
MEASURING_FILES = ("records/derive.py", "contention.py", "stats.py")


class Header(msgspec.Struct, tag_field="kind", tag="run"):
    """What the samples hold for: the same code, options and machine have the same fingerprint."""

    fingerprint: str


class Started(msgspec.Struct, tag_field="kind", tag="session"):
    """A session began. Every `at` is in seconds since the run did, the time between its sessions left out."""

    at: Seconds
    roof_seconds: Seconds


class WarmedUp(msgspec.Struct, tag_field="kind", tag="warm-up"):
    """An untimed call, and what it took."""

    at: Seconds
    name: str
    n: Count
    seconds: Seconds


class Reading(msgspec.Struct, tag_field="kind", tag="reading"):
    """The core between two samples: GFLOPS of the FMA loop, GB/s of the dots of first and second level."""

    index: Count
    fma_gflops: Positive
    l1_gbs: Positive
    l2_gbs: Positive


Entry = Started | WarmedUp | Reading | Sample
_LINE = msgspec.json.Decoder(Header | Entry)


class Journal:
    """A last line cut short by a kill is dropped on opening; a damaged line before it is refused."""

    def __init__(self, path: Path, fingerprint: str) -> None:
        """Open the journal of an unfinished run with this fingerprint, or begin one.

        `entries` then holds what had been measured, `stale` whether an older run's had to be set aside.
        """
        self.path = path
        self.entries: list[Entry] = []
        self.stale = False
        try:
            header, entries = self._read()
            if header and header.fingerprint != fingerprint:
                os.replace(path, path.with_suffix(".stale"))
                self.stale, header, entries = True, None, []
            self.entries = entries
            self._file = open(path, "ab", buffering=0)  # noqa: SIM115 (held open for the run; closed by `close`)
            if not header:
                self.write(Header(fingerprint))
        except OSError as error:
            raise os_error(f"write {path.name}", error) from None

    def _read(self) -> tuple[Header | None, list[Entry]]:
        if not self.path.exists():
            return None, []
        raw = self.path.read_bytes()
        whole = raw[: raw.rfind(b"\n") + 1]
        if len(whole) < len(raw):
            with open(self.path, "r+b") as file:
                file.truncate(len(whole))
        header: Header | None = None
        entries: list[Entry] = []
        taken: dict[tuple[str, int, int], Sample] = {}
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                entry = _LINE.decode(line)
                if isinstance(entry, Header) != (number == 1):
                    raise ValueError("a header is the first line and no other")
                if isinstance(entry, Sample):
                    # A workload is timed once a round at most: a line that says so again was copied, not measured.
                    first = taken.setdefault((entry.name, entry.n, entry.round), entry)
                    if first != entry:
                        raise ValueError("two samples of a workload in one round")
                    if first is not entry:
                        continue
            except (ValueError, RecursionError) as error:
                why = " ".join(str(error).split())
                raise UserError(
                    f"{STATE}/{self.path.name} is damaged at line {number} ({why}): start over with --fresh"
                ) from None
            if isinstance(entry, Header):
                header = entry
            else:
                entries.append(entry)
        if not _readings_fit(entries):
            raise UserError(f"{STATE}/{self.path.name} is damaged (readings of the core are missing): use --fresh")
        return header, entries

    def write(self, *entries: Header | Entry) -> None:
        """Hand entries to the system, whole lines: they outlive this process from here on."""
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


def _readings_fit(entries: Sequence[Entry]) -> bool:
    """Whether all readings of the core are there, or none; and each sample lies between two of them."""
    indices = {e.index for e in entries if isinstance(e, Reading)}
    probes = {e.probe for e in entries if isinstance(e, Sample)}
    if not indices:
        return probes <= {None}
    return indices == set(range(len(indices))) and all(p is not None and p + 1 in indices for p in probes)


def forget(path: Path) -> None:
    """Start over: an unfinished run's journal goes."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()


def fingerprint(script: Path, facts: Mapping[str, object]) -> str:
    """A digest of the code that measures (its rooms of this package, and the script) and of what else matters."""
    package = Path(__file__).resolve().parents[1]
    found = hashlib.sha256(repr(sorted(facts.items())).encode())
    rooms = (path for room in MEASURING_ROOMS for path in sorted((package / room).glob("*.py")))
    for path in [*rooms, *(package / name for name in MEASURING_FILES), script]:
        found.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()[:16]
