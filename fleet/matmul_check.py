"""A ReFrame check: each node measures its own roofline, makes a quick run, and is judged by fraction of peak."""

import hashlib
import json
import os
import re
import shlex
import shutil
from pathlib import Path

import reframe as rfm
import reframe.utility.osext as osext
import reframe.utility.sanity as sn
from reframe.core.builtins import run_after, run_before, sanity_function, variable
from reframe.core.exceptions import PerformanceError, SanityError
from reframe.core.logging import getlogger

HERE = Path(__file__).resolve().parent
# In the stage directory: the node's record, and what `fleet/node` leaves beside it.
RECORD, NODE, STATUS, BESIDE, DOCTOR, VERDICT = (
    "record",
    "node",
    "bench.status",
    "beside",
    "doctor.json",
    "verdict.json",
)
# A BLAS reads these when it is loaded, so they are set before Python starts.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
# Checks of `labkit verify` that a quick run must pass too: what is recorded follows from the samples, nothing is
# impossible, the files are those of the manifest, the roofline follows from its samples and is the one that was used.
ROOF = "D2 the roof is the roofline's"
CHECKS = ("G1 ", "G2 ", "G3 ", "G4 ", ROOF)  # or how their names begin
# Checks of the doctor that fail a node: the product is wrong, no BLAS, or one that takes the CPU for an older one.
EXAMINED = ("product", "library", "kernel")
# What Slurm's state of a job means.
STATES = {
    "CANCELLED": "it was cancelled",
    "TIMEOUT": "its time limit was over",
    "DEADLINE": "its deadline was over",
    "NODE_FAIL": "its node failed",
    "BOOT_FAIL": "its node did not start",
    "OUT_OF_MEMORY": "it had not enough memory",
    "PREEMPTED": "another job took its place",
}
ANY = "*"


def figure():
    """A figure of the perflog: there is such a column whether or not it was timed."""
    return variable(float, int, type(None), value=None, loggable=True)


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

    # For the perflog and for fleet/run: the node, where its records are, and its figures.
    node = variable(str, value="", loggable=True)
    kept = variable(str, value="")
    peak, n, matmul, fraction, as_it_was = figure(), figure(), figure(), figure(), figure()
    einsum, einsum_fraction, speedup, disturbed = figure(), figure(), figure(), figure()

    @run_before("run")
    def say_what_to_run(self):
        """One thread, and everything into the stage directory: nodes that share a checkout do not write into it."""
        self.env_vars = {**dict.fromkeys(THREADS, "1"), "PYTHONPATH": shlex.quote(self.checkout), **self.env_vars}
        python = self.python or f"{self.checkout}/.venv/bin/python"
        options = [f"--{name}={value}" for name in ("sizes", "methods") if (value := getattr(self, name))]
        # All of it in one step of the launcher, so that all of it has the environment that a node gives to its tasks.
        self.executable = "bash"
        words = (f"{self.checkout}/fleet/node", self.checkout, python, *options)
        self.executable_opts = [shlex.quote(word) for word in words]

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
        """Keep the record with those before it, whether or not the node is fast enough."""
        if self.is_dry_run():
            return
        pinned = list(self.job.pin_nodes or [])  # the name by which it was asked for
        self.node = pinned[0] if pinned else (Path(self.stagedir) / NODE).read_text().strip()
        created = re.sub(r"[:]|\+00:00$", "", self._read(f"{RECORD}/manifest.json")["created"])
        of_node = Path(self.records) / hashlib.sha256(self.node.encode()).hexdigest()[:8]
        kept = of_node / created
        while kept.exists():  # two jobs of one second
            kept = kept.with_name(f"{kept.name}+")
        shutil.copytree(Path(self.stagedir) / RECORD, kept, ignore=shutil.ignore_patterns(".*"))
        # Records name no host: these links do, beside them.
        named = Path(self.records).parent / "nodes" / self.node
        named.parent.mkdir(exist_ok=True)
        if not named.is_symlink():
            named.symlink_to(os.path.relpath(of_node, named.parent))
        self.kept = str(named)

    @run_before("performance")
    def say_what_was_reached(self):
        """Every figure as a performance variable, and one reference, the same on every machine."""
        if self.is_dry_run():
            return
        results = self._read(f"{RECORD}/results.json")
        found = figures(results)
        for name, (value, _) in found.items():
            setattr(self, name, value)
        self.perf_variables = {
            name: sn.make_performance_function(sn.defer(value), unit) for name, (value, unit) in found.items()
        }
        if "fraction" in found:
            self.reference = {ANY: {"fraction": (self.least_fraction, 0.0, None, "of peak")}}
        if why := self._noise():
            getlogger().warning(f"{self.node} is noisy: {why}")

    @run_after("performance")
    def hear_the_doctor(self):
        """Fail a node whose NumPy does less than its CPU can do, however fast it is."""
        if self.is_dry_run():
            return
        if found := [f for f in self._read(DOCTOR)["findings"] if f["check"] in EXAMINED]:
            raise PerformanceError("; ".join(f"{f['check']}: {f['seen']} [{f['cost']}]: {f['mend']}" for f in found))

    def _noise(self):
        """What disturbed the run, as it says itself, and jobs of this check on the same host."""
        said = (Path(self.stagedir) / sn.evaluate(self.stdout)).read_text()
        found = re.findall(r"^(?:This run was disturbed: |The core was shared ).*?(?=\.?$)", said, re.MULTILINE)
        others = self._read(BESIDE)
        return "; ".join([*found, *([f"{others} other jobs of this check ran on its host"] if others else [])])

    def _read(self, name):
        try:
            return json.loads((Path(self.stagedir) / name).read_text())
        except OSError:
            raise SanityError(self._why() or f"the job ended without {name}: {self._last_error()}") from None
        except ValueError:
            raise SanityError(self._why() or f"the job left an incomplete {name}: {self._last_error()}") from None

    def _why(self):
        """Why the scheduler ended the job; empty if it did not."""
        if self.job.scheduler.registered_name not in ("slurm", "squeue"):
            return ""
        asked = osext.run_command(f"scontrol show job --oneliner {self.job.jobid}", log=False).stdout
        told = dict(re.findall(r"(\w+)=(\S+)", asked))
        state = told.get("JobState") or str(self.job.state or "").partition(",")[0]
        if state in STATES:
            return f"the job did not end by itself: {STATES[state]} (Slurm: {state}, after {told.get('RunTime')})"
        if state != "COMPLETED" and not (Path(self.stagedir) / sn.evaluate(self.stderr)).exists():
            seen = " ".join(f"{name}={told[name]}" for name in ("JobState", "Reason", "ExitCode") if name in told)
            return f"the job never started (Slurm: {seen or state})"
        return ""

    def _last_error(self):
        """The last line that the job wrote to standard error."""
        try:
            lines = (Path(self.stagedir) / sn.evaluate(self.stderr)).read_text().strip().splitlines()
        except OSError:
            return "it wrote no output"
        return (lines or ["it does not say why"])[-1]


def figures(results):
    """By name, value and unit: what the node reached at its largest size, on a core of its own.

    A rate is the fraction times the peak.
    """
    found = {"peak": (results["roof"]["peak_gflops"], "GFLOPS")}
    for method, fraction in (("matmul", "fraction"), ("einsum", "einsum_fraction")):
        timed = [c for c in results["cells"] if c["method"] == method and not c["extrapolated"]]
        if timed:
            cell = max(timed, key=lambda cell: cell["n"])
            found[method] = cell["alone"]["gflops"]["value"], "GFLOPS"
            found[fraction] = cell["peak_fraction"]["value"], "of peak"
            if method == "matmul":
                found["n"] = cell["n"], ""
                found["as_it_was"] = cell["gflops"]["median"], "GFLOPS"
    flags = [flag for cell in results["cells"] for flag in cell["flags"]]
    found["disturbed"] = sum(flag is not None for flag in flags) / max(1, len(flags)), "of samples"
    speedup = results["speedup"]
    if speedup and not speedup["withheld"]:
        how = " (naive extrapolated)" if speedup["extrapolated"] else ""
        found["speedup"] = speedup["factor"], f"times{how}"
    return found
