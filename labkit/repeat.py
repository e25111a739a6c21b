"""`labkit repeat`: quick runs, one after another, beside a busy process, or under several Pythons."""

import argparse
import contextlib
import functools
import importlib.util
import random
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from labkit import stats
from labkit.errors import FINDING, INTERRUPTED, UserError
from labkit.machine import cpus
from labkit.machine.process import run_on
from labkit.measure import journal
from labkit.records import find, io, provenance
from labkit.records.derive import derive
from labkit.records.model import Repeat, RepeatedRun, Results
from labkit.records.spread import Beside, repeated
from labkit.roofline.obtain import obtain
from labkit.show import artifacts, text

EXPERIMENT, SEED, RUNS = "03-matmul-perf/repeat", 42, 5
# Below this order a call's own overhead counts: a compiled product is not expected to repeat.
LEAST_N = 256
NOXFILE = provenance.REPOSITORY / "noxfile.py"
_DONE = "done"  # in the folder of a run that has ended


def run(args: argparse.Namespace) -> int:
    """The command: `args.runs` and `args.output` (None: the usual), `args.pythons` ("": this one), `args.redraw`."""
    output: Path = args.output or find.experiment(find.BENCH)
    with io.locked(output):
        if args.redraw:
            record = io.read(output / io.REPEAT, Repeat, io.MEASURE_AGAIN)
        else:
            count, pythons = _asked(args.runs, args.pythons)
            io.check_writable(output, Results)
            study = Study(output, pythons)
            try:
                runs = study.under_each(pythons, count) if pythons else study.here(count)
            except subprocess.CalledProcessError as error:
                raise UserError(f"a run failed: {_reason(error)}; the same command resumes") from None
            config = {"runs": count, "pythons": pythons}
            record = Repeat(
                schema="repeat/2",
                short_name=study.observed.hardware.short_name,
                runs=runs,
                left_out=study.left_out,
                manifest=provenance.manifest(EXPERIMENT, SEED, config, study.observed),
            )
            io.write_all(output, {io.REPEAT: io.encode(record)})
            shutil.rmtree(study.folder)  # the study is whole: the same command begins a new one
        artifacts.redraw(output)
    for line in text.repeat_summary(record):
        print(line)
    return 0


def _asked(runs: int | None, words: str) -> tuple[int, list[str]]:
    """How many runs, and under which Pythons (none: this one alone); a UserError where that cannot be."""
    if not (find.experiment(find.BENCH) / "bench.py").exists():
        raise UserError("labkit repeat runs bench.py: run it from a checkout")
    if words and importlib.util.find_spec("nox") is None:
        raise UserError("--pythons needs nox: 'make repeat' installs it")
    named = runpy.run_path(str(NOXFILE))["PYTHONS"] if words.strip() == "all" else words.split(",")
    pythons = list(dict.fromkeys(word for word in map(str.strip, named) if word))
    if len(pythons) == 1:
        raise UserError("--pythons compares two or more, like 3.11,3.12")
    if runs is None:
        runs = stats.FEWEST_FOR_INTERVAL if pythons else RUNS
    if runs < (least := 1 if pythons else 2):
        raise UserError(f"--runs takes at least {least}")
    return runs, pythons


class Study:
    """Runs of bench.py --quick into folders of their own, which are kept until the study is whole."""

    def __init__(self, output: Path, pythons: Sequence[str]) -> None:
        self.bench = find.experiment(find.BENCH) / "bench.py"
        self.observed = provenance.observe()
        self.left_out: dict[str, str] = {}
        facts = {"machine": repr(self.observed.identity), "python": provenance.versions()["python"], "pythons": pythons}
        self.state = io.state_folder(output).resolve() / "repeat"
        self.folder = self.state / f"runs-{journal.fingerprint(self.bench, facts)}"
        for other in set(self.state.glob("runs-*")) - {self.folder}:
            shutil.rmtree(other)  # of other code, another machine or other Pythons
        self.folder.mkdir(parents=True, exist_ok=True)
        # Once, before the runs: each would measure its own, and the last one beside the busy process.
        obtain(self.observed.identity, output, functools.partial(print, flush=True))
        self.roofline = output / find.ROOFLINE  # there only where it was measured into an output of one's own

    def here(self, runs: int) -> list[RepeatedRun]:
        """So many runs alone and, where there is a second CPU, one beside a process that keeps it busy."""
        others, command, found = sorted(cpus.allowed_cpus())[1:], [sys.executable, str(self.bench), "--quick"], []
        for i in range(1, runs + 1):
            print(f"Run {i} of {runs}", flush=True)
            found.append(self._run(str(i), command))
        if others:
            print("One more run, beside a busy process", flush=True)
            with busy_process(others[-1]):
                found.append(self._run("busy", command, "a busy process"))
        return found

    def under_each(self, pythons: Sequence[str], runs: int) -> list[RepeatedRun]:
        """So many rounds of a run under each Python, in a permuted order. One that cannot be measured is left out."""
        rng, found = random.Random(SEED), dict[str, list[RepeatedRun]]()
        for round_ in range(runs + 1):  # round 0 makes the environments
            for python in rng.sample(pythons, len(pythons)):
                if python in self.left_out:
                    continue
                print(f"Python {python}: " + (f"round {round_} of {runs}" if round_ else "its environment"), flush=True)
                try:
                    if round_:
                        name = f"{round_}-{pythons.index(python) + 1}-{Path(python).name}"
                        found.setdefault(python, []).append(self._run(name, self._nox(python, "--no-install")))
                    else:
                        _start(self._nox(python, "--install-only", "--error-on-missing-interpreters"))
                except subprocess.CalledProcessError as error:
                    self.left_out[python] = _reason(error)
                    found.pop(python, None)
                    print(f"Python {python} is left out: {self.left_out[python]}", flush=True)
        if len(found) < 2:
            reasons = "; ".join(f"{python}: {why}" for python, why in self.left_out.items())
            raise UserError(f"--pythons compares two or more, and only {len(found)} could be measured ({reasons})")
        return [one for several in found.values() for one in several]

    def _nox(self, python: str, *options: str) -> list[str]:
        """The command that runs the session `quick` of noxfile.py under a Python."""
        where = ["--noxfile", str(NOXFILE), "--envdir", str(self.state / "environments")]
        session = ["--reuse-venv", "yes", "--session", "quick", "--force-python", python, "--"]
        return [sys.executable, "-m", "nox", *where, *options, *session]

    def _run(self, name: str, command: Sequence[str], beside: Beside = "nothing") -> RepeatedRun:
        """One run into a folder of its own, or what an earlier session has measured there."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        if not (folder / _DONE).exists():
            if self.roofline.is_dir():
                shutil.copytree(self.roofline, folder / find.ROOFLINE, dirs_exist_ok=True)
            try:
                _start([*command, "--output", str(folder)])
            except subprocess.CalledProcessError as error:
                # bench.py ends with 1 where a cell cannot be true, and so does nox then: the run stands.
                record = io.read_if_there(folder / io.RESULTS, Results)
                if error.returncode != FINDING or not (record and derive(record).invalid):
                    raise
            io.write_atomically(folder / _DONE, b"")
        return repeated(find.read_run(folder), beside, LEAST_N)


def _start(command: Sequence[str]) -> None:
    """Run a command to its end; a CalledProcessError if it fails, a KeyboardInterrupt if it was stopped."""
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode == INTERRUPTED or done.returncode < 0:
        raise KeyboardInterrupt
    done.check_returncode()


def _reason(error: subprocess.CalledProcessError) -> str:
    """The line that says why bench.py, pip or nox failed."""
    said: str = error.stdout + error.stderr
    if re.search("Python interpreter .* not found", said):
        return "this Python is not installed here"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("bench.py: ", "ERROR: "))]
    return (errors or lines or ["it does not say why"])[-1]


@contextlib.contextmanager
def busy_process(cpu: int) -> Iterator[None]:
    """A process of ours that keeps this CPU busy meanwhile, where CPUs can be chosen."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        run_on({cpu}, process.pid)
        yield
    finally:
        process.kill()
        process.wait()
