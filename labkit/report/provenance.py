"""Where a run comes from, in full: every fact of its manifest as a table."""

import json
from collections.abc import Mapping

from labkit import pages
from labkit.records import Manifest
from labkit.report.tables import Table
from labkit.runs import Run

NOT_KNOWN = "not known"


def tables(run: Run) -> list[Table]:
    """What was run on what, how the run went, and the digests of what it left."""
    manifest = run.manifest
    digests = [[name, digest] for name, digest in manifest.outputs.items()]
    made = [
        Table(f"Machine: {run.name}", ["fact", "value"], machine(manifest)),
        Table(f"Software and command: {run.name}", ["fact", "value"], software(manifest)),
        Table(f"The run: {run.name}", ["fact", "value"], course(run)),
        Table(f"SHA-256 of what it left: {run.name}", ["file", "digest"], digests),
    ]
    return [table for table in made if table.rows]


def machine(manifest: Manifest) -> list[list[str]]:
    """The hardware; for what the machine does not tell, why."""
    hw = manifest.hardware

    def told(name: str, value: object) -> list[str]:
        reason = hw.reasons.get(name)
        said = {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
        return [name.replace("_", " "), (NOT_KNOWN + (f": {reason}" if reason else "")) if value is None else said]

    cores = hw.cores
    physical = f"{cores.physical} physical" if cores.physical is not None else "physical not known"
    quota = f", a quota of {cores.quota:g}" if cores.quota else ""
    caches = [
        f"L{cache.level} {pages.bytes_(cache.bytes)}" + (f" shared by {cache.shared_by}" if cache.shared_by else "")
        for cache in hw.caches
    ]
    return [
        told("cpu", hw.cpu),
        told("microarchitecture", hw.microarchitecture),
        ["instruction sets", " ".join(hw.isa) or NOT_KNOWN],
        ["cores", f"{cores.usable} usable of {cores.logical} logical, {physical}{quota}"],
        ["caches", ", ".join(caches) or NOT_KNOWN],
        ["memory", pages.bytes_(hw.memory_bytes)],
        told("governor", hw.governor),
        told("power", hw.power),
        told("virtualized", hw.virtualized),
    ]


def software(manifest: Manifest) -> list[list[str]]:
    """Versions, BLAS, threads, commit, command, seed, configuration."""
    blas, git = manifest.blas, manifest.git
    commit = git.commit or f"{NOT_KNOWN}: {git.reason or 'no reason given'}"
    return [
        *([name, version] for name, version in manifest.versions.items()),
        ["BLAS", " ".join(filter(None, (blas.library, blas.version)))],
        ["BLAS kernel", blas.kernel or NOT_KNOWN],
        ["BLAS threads", NOT_KNOWN if blas.threads is None else str(blas.threads)],
        ["thread variables", _pairs(manifest.threads)],
        ["commit", commit + (", with changes" if git.dirty else "")],
        ["command", " ".join(manifest.command)],
        ["created", manifest.created],
        ["seed", str(manifest.seed)],
        *([f"config: {name}", _plain(value)] for name, value in manifest.config.items()),
    ]


def course(run: Run) -> list[list[str]]:
    """How the run went: its status, its cost, what disturbed it, the roof that its shares stand on."""
    r = run.results
    marks = ", ".join(f"{count} {mark}" for mark, count in r.noise.marks.items()) or "none"
    sentinel = r.roof.sentinel
    flop = sentinel.peak_flop_per_sentinel_byte
    harness = f"{pages.duration(r.harness.wall_seconds)} in {r.harness.sessions} session" + "s" * (
        r.harness.sessions > 1
    )
    repetitions = f"at least {r.protocol.min_repetitions} and {pages.seconds(r.protocol.min_seconds)}"
    return [
        ["status", r.status],
        ["duration", f"{harness}, {pages.percent(r.harness.share)} outside the calls"],
        ["repetitions a cell", f"{repetitions}, after {r.protocol.warmup_calls} untimed"],
        ["resolution of the clock", pages.seconds(r.protocol.clock_resolution_seconds)],
        ["sentinel's visits", f"{r.noise.visits}; disturbed: {marks}"],
        ["sentinel", f"{pages.significant(sentinel.gbs.median)} GB/s in the median"],
        ["peak for each byte of the sentinel", f"{flop.value:.4g} flop ({flop.low:.4g} to {flop.high:.4g})"],
        ["statistic of the shares", r.roof.statistic],
        ["peak", pages.flops(r.roof.peak_gflops)],
        ["DRAM", f"{pages.significant(r.roof.dram_gbs)} GB/s"],
        ["ridge", f"{pages.significant(r.roof.ridge_flop_per_byte)} flop a byte"],
        ["N*", pages.significant(r.roof.crossover_n)],
    ]


def _pairs(named: Mapping[str, str | None]) -> str:
    return ", ".join(f"{name}={'not set' if value is None else value}" for name, value in named.items())


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
