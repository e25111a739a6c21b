"""A ReFrame check: each node measures its own roofline, makes a quick run, and is judged by fraction of peak."""

import json
import shlex
import shutil
from pathlib import Path

import reframe as rfm
import reframe.utility.sanity as sn
from reframe.core.builtins import run_after, run_before, sanity_function, variable
from reframe.core.exceptions import SanityError

HERE = Path(__file__).resolve().parent
# In the stage directory: the node's record, the exit status of bench.py, and what `labkit verify` says.
RECORD, STATUS, VERDICT = "record", "bench.status", "verdict.json"
# A BLAS reads these when it is loaded, so they are set before Python starts.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
# Methods whose rate says something about the core; that of the others depends on the interpreter.
COMPILED = ("einsum", "matmul", "einsum_optimized")
# Checks of `labkit verify` that a quick run must pass too: what is recorded follows from the samples, nothing is
# impossible, the files are those of the manifest, the roofline follows from its samples and is the one that was used.
ROOF = "D2 the roof is the roofline's"
CHECKS = ("G1 ", "G2 ", "G3 ", "G4 ", ROOF)  # or how their names begin
ANY = "*"


@rfm.simple_test
class MatmulOnOneCore(rfm.RunOnlyRegressionTest):
    descr = "np.matmul on one core, as a fraction of the peak measured on the same core"
    valid_systems = [ANY]  # noqa: RUF012 (ReFrame takes a list here, and gives each test its own)
    valid_prog_environs = [ANY]  # noqa: RUF012

    num_tasks = 1
    num_cpus_per_task = 1
    exclusive_access = True  # a neighbour on the node takes clock, cache and bandwidth from what is measured
    time_limit = "20m"  # roofline and benchmark take about a minute, on a slow board several

    # With -S NAME=VALUE:
    checkout = variable(str, value=str(HERE.parent))  # where the nodes have this repository
    python = variable(str, value="")  # the interpreter on the nodes; the checkout's own, if not given
    sizes = variable(str, value="")  # as bench.py takes them, 64,128; all, if not given
    methods = variable(str, value="")
    records = variable(str, value=str(HERE / "records"))  # where they are collected
    least_fraction = variable(float, value=0.5)  # of peak, as in `labkit doctor`

    @run_before("run")
    def say_what_to_run(self):
        """One thread, and everything into the stage directory: nodes that share a checkout do not write into it."""
        self.env_vars = {**dict.fromkeys(THREADS, "1"), "PYTHONPATH": shlex.quote(self.checkout), **self.env_vars}
        python = shlex.quote(self.python or f"{self.checkout}/.venv/bin/python")
        self.prerun_cmds = [f"{python} -m labkit roofline --output {RECORD}/01-roofline"]
        options = [f"--{name}={value}" for name in ("sizes", "methods") if (value := getattr(self, name))]
        bench = shlex.quote(f"{self.checkout}/experiments/03-matmul-perf/bench.py")
        self.executable = python
        self.executable_opts = [bench, "--quick", "--output", RECORD, *map(shlex.quote, options)]
        self.postrun_cmds = [f"echo $? > {STATUS}", f"{python} -m labkit verify {RECORD} --json > {VERDICT} || true"]

    @sanity_function
    def the_record_holds(self):
        """Nothing is wrong with the run or its record; what is wrong is the reason that ReFrame gives."""
        status = self._read(STATUS)
        if status:
            raise SanityError(f"bench.py ended with status {status}: {self._last_error()}")
        results, checks = self._read(f"{RECORD}/results.json"), self._read(VERDICT)["checks"]
        faults = [f"{c['name']}: {c['reason']}" for c in checks if c["name"].startswith(CHECKS) and not c["passed"]]
        if not any(c["name"] == ROOF for c in checks):
            faults.append("there is no roofline of this machine beside the record")
        timed = {cell["method"] for cell in results["cells"] if not cell["extrapolated"]}
        for method, agreed in results["agreement"]["methods"].items():
            if not (agreed["exact_on_integers"] and agreed["within_bound"]):
                faults.append(f"{method} does not compute the product")
            if method not in timed:
                faults.append(f"{method} was not timed at any size")
        if faults:
            raise SanityError("; ".join(faults))
        return True

    @run_after("sanity")
    def collect(self):
        """Keep the record for `labkit compare`, whether or not the node is fast enough."""
        if self.is_dry_run():
            return
        partition = self.current_partition.fullname.replace(":", "-")
        kept = Path(self.records) / f"{partition}-{self.hashcode}"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(Path(self.stagedir) / RECORD, kept, ignore=shutil.ignore_patterns(".*"))

    @run_before("performance")
    def say_what_was_reached(self):
        """Every figure as a performance variable, and one reference, the same on every machine."""
        if self.is_dry_run():
            return
        found, largest = figures(self._read(f"{RECORD}/results.json"))
        self.perf_variables = {
            name: sn.make_performance_function(sn.defer(value), unit) for name, (value, unit) in found.items()
        }
        if largest:
            self.reference = {ANY: {largest: (self.least_fraction, 0.0, None, "of peak")}}

    def _read(self, name):
        try:
            return json.loads((Path(self.stagedir) / name).read_text())
        except OSError:
            raise SanityError(f"the job ended without {name}: {self._last_error()}") from None
        except ValueError:
            raise SanityError(f"the job left an incomplete {name}: {self._last_error()}") from None

    def _last_error(self):
        """The last line that the job wrote to standard error."""
        lines = (Path(self.stagedir) / sn.evaluate(self.stderr)).read_text().strip().splitlines()
        return (lines or ["it does not say why"])[-1]


def figures(results):
    """By name, value and unit: peak, rates, fractions, speedup; and the name of np.matmul's at the largest size."""
    found, largest = {"peak": (results["roof"]["peak_gflops"], "GFLOPS")}, None
    for cell in sorted(results["cells"], key=lambda cell: cell["n"]):
        if cell["extrapolated"]:
            continue
        name = f"{cell['method']}_{cell['n']}"
        found[f"{name}_rate"] = cell["gflops"]["median"], "GFLOPS"
        if cell["method"] in COMPILED:
            found[f"{name}_fraction"] = cell["peak_fraction"]["value"], "of peak"
        if cell["method"] == "matmul":
            largest = f"{name}_fraction"
    speedup = results["speedup"]
    if speedup and not speedup["withheld"]:
        how = " (naive extrapolated)" if speedup["extrapolated"] else ""
        found[f"speedup_{speedup['n']}"] = speedup["factor"], f"times{how}"
    return found, largest
