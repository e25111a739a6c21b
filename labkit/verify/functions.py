"""What the submitted functions make of fresh operands, judged here; they run in `worker`, a process of its own."""

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from labkit.provenance import REPOSITORY
from labkit.runs import LAB
from labkit.verify import requirements as lab
from labkit.verify.outcome import Check, met, not_met, of_faults, unknown
from labkit.verify.submission import Submission
from labkit.verify.syntax import NOT_READABLE, Sources

WORKER = Path(__file__).with_name("worker.py")
# Importing takes a second or two, the products below a second; a slow machine may take ten times that.
LIMIT_SECONDS = 60.0
# (M, K, N), each drawn anew from these ranges: the lab's own, a long sum, and more than a block of 64 each way.
RANGES = {
    "square": ((64, 64), (64, 64), (64, 64)),
    "long": ((3, 9), (130, 200), (3, 9)),
    "wide": ((66, 79), (2, 6), (66, 79)),
    "row": ((1, 1), (5, 40), (2, 9)),
}
WATCHED = (11, 13, 12)  # (M, K, N) of the call whose instructions are counted
LARGEST_INTEGER = 8  # partial sums of such are exact in fp32, in any order
# In so short a time no interpreter takes the 10^9 steps of a product of N = 1024, and a BLAS is done with it.
BUSY_SECONDS = 0.3
# A step C[i, j] += A[i, k] * B[k, j] takes some twenty instructions of the interpreter, a step over a row one for
# all of its elements.
LEAST_INSTRUCTIONS_A_STEP = 4
# Rounded once, from double, an element agrees with the exact product; summed in fp32 over 64 terms one in five does.
DOUBLE_IF_EXACT = 0.9
UNIT = 2.0**-24  # the rounding error of fp32
_NAMES = (
    "import", "agreement", "exact on integers", "einsum's sums", "float32 throughout", "interpreted steps",
    "functions called", "methods table", "lab's operands", "nothing else loaded", "no network",
)  # fmt: skip
# What the worker must have said, to have come to its end.
_SAID = ("errors", "tried", "watched", "returned", "methods", "lines", "operands", "loaded")
_INTERPRETED = lab.FUNCTIONS[:2]

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Trial:
    """Fresh operands, by case: those of standard normal numbers and those of small integers."""

    operands: dict[str, tuple[Matrix, Matrix]]

    @classmethod
    def draw(cls, seed: int) -> "Trial":
        """Shapes and values from a seed."""
        rng = np.random.default_rng(seed)
        operands = {}
        for name, ranges in RANGES.items():
            M, K, N = (int(rng.integers(low, high, endpoint=True)) for low, high in ranges)
            operands[f"{name} normal"] = _pair(rng, M, K, N)
            whole = [rng.integers(-LARGEST_INTEGER, LARGEST_INTEGER, s, endpoint=True) for s in ((M, K), (K, N))]
            operands[f"{name} whole"] = (whole[0].astype(np.float32), whole[1].astype(np.float32))
        operands["watched"] = _pair(rng, *WATCHED)
        return cls(operands)

    @property
    def cases(self) -> list[str]:
        """Those on which every function is called."""
        return [case for case in self.operands if case != "watched"]

    def shape(self, case: str) -> str:
        """M x K x N."""
        A, B = self.operands[case]
        return f"{A.shape[0]} x {A.shape[1]} x {B.shape[1]}"


def _pair(rng: np.random.Generator, M: int, K: int, N: int) -> tuple[Matrix, Matrix]:
    A = rng.standard_normal((M, K)).astype(np.float32)
    return A, rng.standard_normal((K, N)).astype(np.float32)


@dataclass(frozen=True)
class Answers:
    """What came back. `fault` says why nothing did."""

    fault: str | None = None
    said: Mapping[str, Any] = field(default_factory=dict)
    products: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)


def checks(
    given: Submission,
    seed: int | None = None,
    limit_seconds: float = LIMIT_SECONDS,
    busy_seconds: float = BUSY_SECONDS,
) -> Iterator[Check]:
    """The functions called at fresh shapes; `seed` draws the same ones again."""
    if "bench.py" not in given.files:
        yield from (unknown(name, f"bench.py {given.faults['bench.py']}") for name in _NAMES)
        return
    trial = Trial.draw(secrets.randbits(32) if seed is None else seed)
    sources = _sources(given)
    siblings = [name for name in sources.modules if name != "bench"] if sources else []
    answers = ask(given.folder, trial, limit_seconds, siblings, busy_seconds)
    if answers.fault:
        yield not_met(_NAMES[0], answers.fault)
        yield from (unknown(name, "the functions could not be called") for name in _NAMES[1:])
        return
    yield met(_NAMES[0], "bench.py can be imported, and its functions return")
    yield of_faults("agreement", list(_disagreements(trial, answers)), _on_shapes("within the bound of fp32", trial))
    yield of_faults("exact on integers", list(_inexact(trial, answers)), _on_shapes("bit for bit right", trial))
    yield _einsums_sums(trial, answers)
    yield of_faults("float32 throughout", list(_doubles(trial, answers)), "products are float32, and summed as such")
    yield _interpreted(answers)
    yield _called_as_defined(sources, answers)
    yield _methods(answers)
    yield _operands(answers)
    loaded = [f"{name} is loaded with bench.py: pure NumPy is asked for" for name in answers.said["loaded"]]
    yield of_faults("nothing else loaded", loaded, "no numerical or compiling library but NumPy is loaded")
    tried = sorted(set(answers.said["tried"]))
    yield of_faults("no network", [f"it reached for the network ({event})" for event in tried], "none was asked for")


def _on_shapes(said: str, trial: Trial) -> str:
    return f"{said} at {', '.join(dict.fromkeys(trial.shape(case) for case in trial.cases))}"


def _sources(given: Submission) -> Sources | None:
    try:
        return Sources(given.folder, given.files["bench.py"])
    except NOT_READABLE:
        return None


def ask(folder: Path, trial: Trial, limit_seconds: float, siblings: list[str], busy_seconds: float) -> Answers:
    """Run the worker on a submission's folder."""
    with tempfile.TemporaryDirectory() as temporary:
        exchange = Path(temporary)
        plan = {
            "folder": str(folder.resolve()), "functions": list(lab.FUNCTIONS), "cases": trial.cases,
            "watched": list(_INTERPRETED), "foreign": list(lab.FOREIGN),
            "siblings": siblings, "busy_seconds": busy_seconds,
        }  # fmt: skip
        (exchange / "plan.json").write_text(json.dumps(plan))
        both = {f"{X} {case}": pair[i] for case, pair in trial.operands.items() for i, X in enumerate("AB")}
        np.savez(exchange / "operands.npz", **both)  # type: ignore[arg-type]
        ended = _run(folder.resolve(), exchange, limit_seconds)
        if ended:
            return Answers(ended)
        try:
            said = json.loads((exchange / "answers.json").read_text())
            if "import" in said:
                return Answers(f"bench.py cannot be imported: {said['import']}")
            with np.load(exchange / "products.npz", allow_pickle=False) as products:
                return Answers(said={name: said[name] for name in _SAID}, products=dict(products))
        except (OSError, ValueError, EOFError, KeyError, TypeError, RecursionError, zipfile.BadZipFile):
            return Answers(
                "bench.py ends the process that imports it: put what runs under `if __name__ == '__main__':`"
            )


def _run(folder: Path, exchange: Path, limit_seconds: float) -> str | None:
    """Why the worker did not come to its end; None if it did."""
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
    threads = dict.fromkeys((*lab.THREAD_VARIABLES, "VECLIB_MAXIMUM_THREADS"), "1")
    writable = {"HOME": str(exchange), "TMPDIR": str(exchange), "MPLCONFIGDIR": str(exchange), "MPLBACKEND": "Agg"}
    worker = subprocess.Popen(
        [sys.executable, "-I", str(WORKER), str(folder), str(exchange), str(REPOSITORY), str(REPOSITORY / LAB)],
        env=kept | threads | writable,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        status = worker.wait(limit_seconds)
    except subprocess.TimeoutExpired:
        return f"{_stage(exchange)} did not come to an end within {limit_seconds:g} s"
    finally:
        _end(worker)
    if status < 0:
        return f"{_stage(exchange)} ended the process by {signal.Signals(-status).name}"
    return f"{_stage(exchange)} ended the process with status {status}" if status else None


def _end(worker: "subprocess.Popen[bytes]") -> None:
    """End the worker and whatever it started."""
    try:
        if hasattr(os, "killpg"):
            os.killpg(worker.pid, signal.SIGKILL)
        else:
            worker.kill()
    except (ProcessLookupError, PermissionError):
        pass
    worker.wait()


def _stage(exchange: Path) -> str:
    """What the worker was about when it ended."""
    try:
        said = (exchange / "stage").read_text()
    except OSError:
        return "the process that checks bench.py"
    if said == "import":
        return "importing bench.py (put what measures under `if __name__ == '__main__':`)"
    function, _, case = said.partition(" ")
    return f"{function} ({case.removesuffix(' normal').removesuffix(' whole')})" if case else "a watched call"


# --- judging ----------------------------------------------------------------------------------------


def _called(answers: Answers) -> Iterator[tuple[str, str]]:
    for key in answers.products:
        function, _, case = key.partition(" ")
        yield function, case


def _disagreements(trial: Trial, answers: Answers) -> Iterator[str]:
    if not answers.products and not answers.said["errors"]:
        yield "none of the functions is there to be called"
    for key, error in answers.said["errors"].items():
        function, _, case = key.partition(" ")
        yield f"{function} at {trial.shape(case)}: {error}"
    for function, case in _called(answers):
        if not case.endswith("normal"):
            continue
        A, B = trial.operands[case]
        product = answers.products[f"{function} {case}"]
        if product.shape != (A.shape[0], B.shape[1]):
            yield f"{function} at {trial.shape(case)} gives shape {product.shape}"
            continue
        exact = A.astype(np.float64) @ B.astype(np.float64)
        scale = np.abs(A).astype(np.float64) @ np.abs(B).astype(np.float64)
        allowed = lab.ATOL + max(lab.RTOL, 2 * A.shape[1] * UNIT) * scale
        off = np.abs(product.astype(np.float64) - exact)
        if not np.all(off <= allowed):
            i, j = np.unravel_index(np.argmax(np.where(np.isfinite(off), off / allowed, np.inf)), off.shape)
            yield (
                f"{function} at {trial.shape(case)} gives {product[i, j]:.6g} for {exact[i, j]:.6g} in row {i}, "
                f"column {j}: is it C[i, j] += A[i, k] * B[k, j]?"
            )


def _inexact(trial: Trial, answers: Answers) -> Iterator[str]:
    for function, case in _called(answers):
        if case.endswith("whole"):
            A, B = trial.operands[case]
            if not np.array_equal(answers.products[f"{function} {case}"], A.astype(np.float64) @ B.astype(np.float64)):
                yield f"{function} at {trial.shape(case)} is not exact on small integers, as fp32 is there"


def _einsums_sums(trial: Trial, answers: Answers) -> Check:
    """Whether matmul_einsum adds in np.einsum's order: a BLAS adds in another, and every bit tells."""
    name, case = "einsum's sums", "square normal"
    product = answers.products.get(f"{lab.FUNCTIONS[2]} {case}")
    if product is None:
        return unknown(name, f"{lab.FUNCTIONS[2]} gave no product")
    A, B = trial.operands[case]
    if np.array_equal(product, np.einsum("ik,kj->ij", A, B)):
        return met(name, "they are np.einsum's, bit for bit")
    blas = " It is np.matmul's, bit for bit." if np.array_equal(product, A @ B) else ""
    return not_met(name, f"{lab.FUNCTIONS[2]} gives other bits than np.einsum('ik,kj->ij', A, B) does.{blas}")


def _doubles(trial: Trial, answers: Answers) -> Iterator[str]:
    for function, case in _called(answers):
        product = answers.products[f"{function} {case}"]
        if product.dtype != np.float32:
            yield f"{function} returns {product.dtype}"
            continue
        A, B = trial.operands[case]
        if case.split()[0] in ("square", "long") and case.endswith("normal") and product.shape == (len(A), B.shape[1]):
            rounded_once = (A.astype(np.float64) @ B.astype(np.float64)).astype(np.float32)
            if np.mean(product == rounded_once) > DOUBLE_IF_EXACT:
                yield f"{function} sums in float64 and rounds at the end: float32 throughout is asked for"


def _interpreted(answers: Answers) -> Check:
    name, (M, K, N) = "interpreted steps", WATCHED
    faults, told = [], 0
    for function in _INTERPRETED:
        watched = answers.said["watched"].get(function)
        if not watched or "error" in watched:
            continue
        told += 1
        if watched["array_operations"]:
            faults.append(f"{function} computes with whole arrays: {', '.join(watched['array_operations'])}")
        if watched["steps"] < LEAST_INSTRUCTIONS_A_STEP * M * K * N:
            faults.append(
                f"{function} takes {watched['steps']:,} instructions of the interpreter for {M * K * N:,} steps: "
                "something else than a loop in Python does the work"
            )
    faults += [
        f"{function} is done with N=1024 in less than {BUSY_SECONDS:g} s: no loop in Python takes 10^9 steps so soon"
        for function in answers.said["returned"]
    ]
    if not told and not faults:
        return unknown(name, "neither naive nor blocked could be watched")
    return of_faults(name, faults, "the interpreter runs through every step of naive and blocked")


def _called_as_defined(sources: Sources | None, answers: Answers) -> Check:
    """Whether what is called under a name is the function whose source was looked at."""
    name, faults, told = "functions called", [], 0
    for function in lab.FUNCTIONS if sources else ():
        assert sources
        found, line = sources.find(function), answers.said["lines"].get(function)
        if not isinstance(found, tuple):
            continue
        node, module = found
        told += 1
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
        if line != [f"{module.name.rpartition('.')[2]}.py", first]:
            faults.append(
                f"{function}, as it is called, is not the function of line {first} of {module.name}.py: bind the name "
                "once, and give a decorator functools.wraps"
            )
    if not told:
        return unknown(name, "the sources cannot be read")
    return of_faults(name, faults, "what is called under a name is the function that was read")


def _methods(answers: Answers) -> Check:
    wrong = answers.said["methods"]
    if wrong is None:
        return unknown("methods table", "bench.py has no dictionary METHODS that says what is timed under which name")
    faults = [f"METHODS has something else under {name!r} than the function of that name" for name in wrong]
    return of_faults("methods table", faults, "what is timed under a name is the function of that name")


def _operands(answers: Answers) -> Check:
    same = answers.said["operands"]
    if same is None:
        return unknown("lab's operands", "bench.py has no make_operands(n) that could be called")
    faults = [] if same else [f"make_operands(64) does not give A, then B, from np.random.default_rng({lab.SEED})"]
    return of_faults("lab's operands", faults, f"A, then B, float32, from np.random.default_rng({lab.SEED})")
