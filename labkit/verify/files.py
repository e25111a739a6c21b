"""Are the files there, readable, of the lab's schema, and the ones that the manifest speaks of?"""

import datetime
from collections.abc import Iterator

from labkit import store
from labkit.verify import requirements as lab
from labkit.verify.outcome import Check, met, not_met, of_faults, unknown
from labkit.verify.submission import Submission

_OUTPUTS = ("results.json", "perf.png", "README.md")


def checks(given: Submission) -> Iterator[Check]:
    """Files, schema, manifest, digests."""
    faults = [f"{name} {given.faults[name]}" for name in lab.FILES if name not in given.files]
    faults += [f"{name} is empty" for name in lab.FILES if given.files.get(name) == b""]
    yield of_faults("files", faults, f"{', '.join(lab.FILES)} are there")
    yield _schema(given)
    yield _manifest(given)
    yield _digests(given)


def _schema(given: Submission) -> Check:
    name = "schema"
    if given.results is None:
        return not_met(name, f"results.json: {given.faults['results.json']}")
    if given.results.schema != lab.SCHEMA:
        return not_met(name, f"results.json: schema is {given.results.schema!r}, not {lab.SCHEMA!r}")
    if given.results.status not in ("complete", "partial"):
        return not_met(name, f"results.json: status is {given.results.status!r}, neither complete nor partial")
    keys = [(cell.method, cell.n) for cell in given.results.cells]
    twice = [f"{method} at N={n} stands in results.json more than once" for method, n in dict.fromkeys(keys)
             if keys.count((method, n)) > 1]  # fmt: skip
    return of_faults(name, twice, f"results.json is a {lab.SCHEMA} record")


def _manifest(given: Submission) -> Check:
    name, manifest = "manifest", given.manifest
    if manifest is None:
        return not_met(name, f"manifest.json: {given.faults['manifest.json']}")
    faults = []
    if manifest.seed != lab.SEED:
        faults.append(f"its seed is {manifest.seed}, not {lab.SEED}")
    faults += [f"it names no version of {one}" for one in ("python", "numpy") if not manifest.versions.get(one)]
    faults += [
        f"{one} is null and nothing says why: put the reason into hardware.reasons"
        for one, value in (("governor", manifest.hardware.governor), ("power", manifest.hardware.power))
        if value is None and not manifest.hardware.reasons.get(one)
    ]
    faults += [f"it does not say {one}" for one in lab.THREAD_VARIABLES if one not in manifest.threads]
    if not _is_time(manifest.created) or not manifest.command:
        faults.append("it does not say when (as 2026-01-31T12:00:00+00:00) and by which command it was made")
    if manifest.experiment != "03-matmul-perf":
        faults.append(f"it belongs to {manifest.experiment!r}, not to 03-matmul-perf")
    results = given.results
    if results and results.short_name and results.short_name != manifest.hardware.short_name:
        machine = manifest.hardware.short_name or manifest.hardware.cpu
        faults.append(f"it is of {machine}, while results.json is of {results.short_name}")
    for what, value in (("quick", results.protocol.quick), ("sizes", results.protocol.sizes)) if results else ():
        if what in manifest.config and manifest.config[what] != value:
            faults.append(f"it says {what} {manifest.config[what]}, and results.json {value}")
    if results and results.protocol.seed != manifest.seed:
        faults.append(f"its seed, {manifest.seed}, is not that of results.json, {results.protocol.seed}")
    return of_faults(
        name, faults, "seed, versions, governor, power and thread settings stand in it, or why they do not"
    )


def _is_time(text: str) -> bool:
    try:
        datetime.datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _digests(given: Submission) -> Check:
    name = "digests"
    if given.manifest is None:
        return unknown(name, "manifest.json cannot be read")
    outputs = given.manifest.outputs
    faults = [f"manifest.json has no digest of {file}" for file in _OUTPUTS if file not in outputs]
    faults += [
        f"{file} is not the file that was recorded: its SHA-256 differs from the manifest's; make the set again "
        "with bench.py --redraw rather than editing a file"
        for file in _OUTPUTS
        if file in outputs and file in given.files and outputs[file].lower() != store.digest(given.files[file])
    ]
    missing = [file for file in _OUTPUTS if file in outputs and file not in given.files]
    faults += [f"{file} has a digest in the manifest, and is not there" for file in missing]
    return of_faults(name, faults, "the SHA-256 of each output is the manifest's")


def status(given: Submission) -> Check:
    """Whether the run went to its end."""
    if given.results is None:
        return unknown("complete", "results.json cannot be read")
    if given.results.protocol.quick:
        return not_met(
            "complete", "this is a quick pass, which leaves pure Python out beyond N = 128: run `make bench`"
        )
    if given.results.status == "partial":
        return not_met("complete", "the run was stopped before its end: give the same command again, and it goes on")
    return met("complete", "the run went to its end")
