"""On a node, by the lab's own Python: run the quick protocol, examine what it left, and say both in outcome.json.

`python fleet/node.py FOLDER [options of bench.py]`. FOLDER gets the records, laid out as in a checkout.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from labkit import physics, roof, runs, store
from labkit.doctor.health import LEAST_SHARE
from labkit.errors import LabError
from labkit.runs import Run

REPOSITORY = Path(__file__).resolve().parents[1]
OUTCOME = "outcome.json"
BENCH = Path("experiments") / "03-matmul-perf"
ROOFLINE = Path("experiments") / "01-roofline"
# What is taken along of the roof: bench.py has it measured in the checkout that it is part of.
OF_THE_ROOF = ("kernels.json", "manifest.json")
# Methods whose rate says something about the core; that of the others is the interpreter's affair.
COMPILED = ("einsum", "matmul", "einsum_optimized")

Variables = dict[str, tuple[float, str]]


def main(output: Path, options: list[str]) -> int:
    """Measure and examine; the exit status is 0 if nothing is wrong."""
    complaint = measure(output, options)
    faults, variables, references = [complaint] if complaint else [], {}, {}
    try:
        (run,) = runs.gather([output])
        faults += examine(run)
        variables, references = performance(run), expected(run)
    except LabError as error:
        faults += [] if complaint else [str(error)]
    outcome = {"faults": faults, "variables": variables, "references": references}
    store.write_atomically(output / OUTCOME, json.dumps(outcome, indent=1).encode())
    for fault in faults:
        print(f"node.py: {fault}", file=sys.stderr)
    return 1 if faults else 0


def measure(output: Path, options: list[str]) -> str | None:
    """Run bench.py and bring the roof beside its records; what it complained of, if it failed."""
    lab = output / BENCH
    lab.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(REPOSITORY / BENCH / "bench.py"), "--quick", "--output", str(lab), *options]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    print(done.stderr, end="", file=sys.stderr)
    (output / ROOFLINE).mkdir(exist_ok=True)
    for name in OF_THE_ROOF:
        if (REPOSITORY / ROOFLINE / name).exists():
            shutil.copy(REPOSITORY / ROOFLINE / name, output / ROOFLINE / name)
    said = (done.stderr.strip().splitlines() or ["it does not say why"])[-1]
    return f"bench.py ended with status {done.returncode}: {said}" if done.returncode else None


# --- examine (pure, but for the digest) -------------------------------------------------------------


def examine(run: Run) -> list[str]:
    """What is wrong with a record of the quick protocol, whatever the machine; nothing here is about speed."""
    results, manifest = run.results, run.manifest
    faults = []
    if store.digest((run.folder / runs.RESULTS).read_bytes()) != manifest.outputs.get(runs.RESULTS):
        faults.append("results.json is not the one that its manifest names: it was changed afterwards")
    if not results.protocol.quick:
        faults.append("this is not a run of the quick protocol")
    timed = {cell.method for cell in results.cells if not cell.extrapolated}
    faults += [f"{method} was not timed at any size" for method in results.protocol.methods if method not in timed]
    for method, agreed in results.agreement.methods.items():
        if not (agreed.exact_on_integers and agreed.within_bound):
            faults.append(f"{method} does not compute the product")
    return faults + _impossible(run)


def _impossible(run: Run) -> list[str]:
    """What cannot be true: by the record itself, and by the same laws applied once more to its numbers."""
    results = run.results
    if run.roofline is None:
        return ["there is no roof of this machine beside the record"]
    peak = run.roofline.peak.fp32_fma_gflops.best
    if results.roof.peak_gflops != peak:
        return [f"its peak, {results.roof.peak_gflops:.1f} GFLOPS, is not that of the roof beside it, {peak:.1f}"]
    resolution = results.protocol.clock_resolution_seconds
    found = physics.violations(results.cells, peak, resolution, roof.coprocessor(run.roofline.machine.blas))
    for cell in results.cells:
        if cell.invalid and not cell.extrapolated:
            found.setdefault((cell.method, cell.n), cell.invalid)
    return [f"{method} at N={n} is invalid: {'; '.join(reasons)}" for (method, n), reasons in found.items()]


# --- what is reported, and what is expected ---------------------------------------------------------


def performance(run: Run) -> Variables:
    """By name, value and unit: the peak, each timed rate, the shares of compiled methods, and the speedup."""
    results = run.results
    found: Variables = {"peak": (results.roof.peak_gflops, "GFLOPS")}
    for cell in results.cells:
        if not cell.extrapolated:
            found[f"{cell.method}_{cell.n}_rate"] = cell.gflops.median, "GFLOPS"
            if cell.method in COMPILED:
                found[_share(cell.method, cell.n)] = cell.roof.share, "of the roof"
    speedup = results.speedup
    if speedup and not speedup.withheld:
        how = " (naive extrapolated)" if speedup.extrapolated else ""
        found[f"speedup_{speedup.n}"] = speedup.factor, f"times{how}"
    return found


def expected(run: Run) -> dict[str, float]:
    """The least share of np.matmul at the largest size that was timed; the same for every machine."""
    sizes = [cell.n for cell in run.results.cells if cell.method == "matmul" and not cell.extrapolated]
    return {_share("matmul", max(sizes)): LEAST_SHARE} if sizes else {}


def _share(method: str, n: int) -> str:
    return f"{method}_{n}_share"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
