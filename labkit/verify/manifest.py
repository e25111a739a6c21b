"""Demands F1, C and G3: the files, and what manifest.json says of the machine and of them."""

from collections.abc import Iterator
from typing import Any

from labkit.records import io
from labkit.verify.assignment import FILES, OUTPUTS, SEED, THREAD_VARIABLES
from labkit.verify.outcome import Check, brief, judge
from labkit.verify.submission import Submission

BATTERY, MAINS = ("battery", "discharging"), ("ac", "ac power", "mains", "plugged in", "adapter", "ac adapter")


def checks(given: Submission) -> Iterator[Check]:
    """The files, then the manifest."""
    faults = [f"{name} {given.faults[name]}" for name in FILES if name not in given.files]
    faults += [f"{name} is empty" for name, raw in given.files.items() if not raw]
    yield judge("F1 the five files are there", faults, ", ".join(FILES))
    m, fault = given.manifest, given.faults.get(io.MANIFEST)
    faults = [f"manifest.json {fault}"] if fault else list(_missing(given))
    yield judge("C1 manifest.json", faults, "seed, versions, governor, power and threads, or why they are not known")
    threads, used = _at(m, "threads"), _at(m, "blas", "threads")
    faults = [f"the BLAS used {used} threads"] if used not in (None, 1) else []
    if isinstance(threads, dict):
        said = {one: threads.get(one) for one in THREAD_VARIABLES if str(threads.get(one)) != "1"}
        faults += [f"{one} was {brief(value)}: set it to 1 before Python starts" for one, value in said.items()]
    none = "" if isinstance(threads, dict) else "manifest.json has no thread settings"
    yield judge("C2 one thread", faults, "the three variables were 1", none)
    yield _power(m)
    outputs = _at(m, "outputs")
    faults = list(_digests(given, outputs)) if isinstance(outputs, dict) else []
    none = "" if isinstance(outputs, dict) else "manifest.json has no digests of its outputs"
    yield judge("G3 the files are those of the manifest", faults, "by their SHA-256", none)


def _at(value: Any, *path: str) -> Any:
    """What stands in nested objects at a path; None where nothing does."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _missing(given: Submission) -> Iterator[str]:
    m = given.manifest
    if _at(m, "seed") != SEED:
        yield f"its seed is {brief(_at(m, 'seed'))}, not {SEED}"
    yield from (f"it names no version of {v}" for v in ("python", "numpy") if not _at(m, "versions", v))
    for one in ("governor", "power"):
        if not _at(m, "hardware", one) and not _at(m, "hardware", "reasons", one):
            yield f"{one} is null, and hardware.reasons does not say why"
    yield from (f"threads has no {one}" for one in THREAD_VARIABLES if one not in (_at(m, "threads") or {}))
    machine = _at(m, "hardware", "short_name")
    if given.results and machine and machine != given.results[0].short_name:
        yield f"it is of {brief(machine)}, and results.json of {given.results[0].short_name!r}"


def _digests(given: Submission, outputs: dict[str, Any]) -> Iterator[str]:
    for name in OUTPUTS:
        if name not in outputs:
            yield f"manifest.json has no digest of {name}"
        elif name in given.files and str(outputs[name]).lower() != io.digest(given.files[name]):
            yield f"{name} is another file, by its SHA-256: edit none by hand; `bench.py --redraw` makes the set again"


def _power(m: dict[str, Any]) -> Check:
    said = {one: _at(m, "hardware", one) for one in ("governor", "power")}
    governor, power = said.values()
    faults, unknown = [], ""
    if governor not in (None, "performance"):
        faults.append(f"the clock governor was {brief(governor)}: `sudo cpupower frequency-set -g performance`")
    if str(power).lower() in BATTERY:
        faults.append("it ran on battery: plug in the charger and measure again")
    if governor is None or str(power).lower() not in MAINS:
        reasons = [f"{k}: {_at(m, 'hardware', 'reasons', k) or 'not said'}" for k, v in said.items() if v is None]
        unknown = "; ".join(reasons) or f"power is {brief(power)}"
    return judge("C3 governor and power", faults, f"governor {governor}, power {power}", unknown)
