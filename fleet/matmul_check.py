"""The quick protocol on a node, as a ReFrame check: each node measures its own roof and is judged by shares of it."""

import json
import os
import shlex
import shutil
import sys
from pathlib import Path

import reframe as rfm
import reframe.utility.sanity as sn
from reframe.core.builtins import run_after, run_before, sanity_function, variable
from reframe.core.exceptions import SanityError

sys.path.insert(0, str(Path(__file__).resolve().parent))

import checkout

HERE = Path(__file__).resolve().parent
# In the stage directory: the node's checkout, its records, and what node.py says of them.
CHECKOUT, RECORD, OUTCOME = "checkout", "record", "record/outcome.json"
# A BLAS reads these when it is loaded; other values are a fault of the run, so they are set before it starts.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
ANY = "*"


@rfm.simple_test
class MatmulOnOneCore(rfm.RunOnlyRegressionTest):
    descr = "what one core makes of a matrix product, in shares of what it can do"
    valid_systems = [ANY]  # noqa: RUF012 (ReFrame takes a list here, and gives each test its own)
    valid_prog_environs = [ANY]  # noqa: RUF012

    num_tasks = 1
    num_cpus_per_task = 1
    exclusive_access = True  # a neighbour on the node takes clock, cache and bandwidth from what is measured
    time_limit = "20m"  # the roof and the quick protocol take about a minute, on a slow board several

    # With -S NAME=VALUE:
    lab = variable(str, value=str(HERE.parent))  # the checkout whose code is run
    python = variable(str, value="")  # the interpreter on the node; the checkout's own, if not given
    sizes = variable(str, value="")  # as bench.py takes them, 64,128; all of the lab's, if not given
    methods = variable(str, value="")
    records = variable(str, value=str(HERE / "records"))  # where they are collected
    least_share = variable(float, type(None), value=None)  # of the roof; the doctor's, if not given

    @run_after("setup")
    def make_a_checkout(self):
        """Nodes may share a file system: what one of them measures must not be taken for another's."""
        checkout.make(Path(self.lab).resolve(), Path(self.stagedir) / CHECKOUT)

    @run_before("run")
    def say_what_to_run(self):
        """One thread, by the lab's own Python; ReFrame's never loads NumPy."""
        self.env_vars = {**dict.fromkeys(THREADS, "1"), **self.env_vars}
        self.executable = shlex.quote(self.python or str(Path(self.lab).resolve() / ".venv" / "bin" / "python"))
        options = [f"--{name}={value}" for name in ("sizes", "methods") if (value := getattr(self, name))]
        self.executable_opts = [f"{CHECKOUT}/fleet/node.py", RECORD, *map(shlex.quote, options)]

    @sanity_function
    def the_record_holds(self):
        """No fault was found on the node; what was, is the reason that ReFrame gives."""
        faults = self._outcome()["faults"]
        if faults:
            raise SanityError("; ".join(faults))
        return True

    @run_after("sanity")
    def collect(self):
        """Keep the record where `labkit compare` finds it, whether or not the node is fast enough."""
        if self.is_dry_run():
            return
        partition = self.current_partition.fullname.replace(":", "-")
        kept = Path(self.records) / f"{partition}-{self.hashcode}"
        fresh = kept.with_name(f".{kept.name}.{os.getpid()}")
        leave_out = shutil.ignore_patterns(".*", Path(OUTCOME).name)
        shutil.copytree(Path(self.stagedir) / RECORD, fresh, ignore=leave_out)
        shutil.rmtree(kept, ignore_errors=True)
        fresh.rename(kept)

    @run_before("performance")
    def say_what_was_reached(self):
        """Every value as a performance variable; a reference for shares alone, the same on every machine."""
        if self.is_dry_run():
            return
        outcome = self._outcome()
        units = {name: unit for name, (_, unit) in outcome["variables"].items()}
        self.perf_variables = {
            name: sn.make_performance_function(sn.defer(value), units[name])
            for name, (value, _) in outcome["variables"].items()
        }
        least = {name: self.least_share or share for name, share in outcome["references"].items()}
        self.reference = {ANY: {name: (share, 0.0, None, units[name]) for name, share in least.items()}}

    def _outcome(self):
        """What node.py says; where it said nothing, the last line of the job's errors is the reason."""
        try:
            return json.loads((Path(self.stagedir) / OUTCOME).read_text())
        except (OSError, ValueError):
            errors = (Path(self.stagedir) / sn.evaluate(self.stderr)).read_text().strip().splitlines()
            raise SanityError(f"the job ended without a record: {(errors or ['it does not say why'])[-1]}") from None
