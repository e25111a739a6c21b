"""Demands A1 to A8, F2 and F3, judged by what the functions did in `worker`, a process of its own."""

import ast
import contextlib
import itertools
import json
import os
import secrets
import site
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from labkit.errors import UserError
from labkit.machine.process import end_group, ended_by
from labkit.verify.assignment import BLOCKED, EINSUM, FOREIGN, NAIVE, SEED, THREAD_VARIABLES
from labkit.verify.outcome import Check, judge
from labkit.verify.submission import Submission, read_file

# Importing takes a second, the calls another; a slow machine may take much longer.
LIMIT_SECONDS = 90.0
# What bench.py may need to import: the sources, then other files, so many and so large.
NEEDED, MOST_PATHS, MOST_BYTES = ("*.py", "*/*.py", "*/*/*.py", "*", "*/*"), 500, 1 << 20
# A step C[i, j] += A[i, k] * B[k, j] takes 10 to 30 instructions; a step over a row one for all of its elements.
LEAST_INSTRUCTIONS_PER_STEP = 4
# Writing finished blocks back takes a few elements per step of the inner loop; a row operation takes one or more.
MOST_ELEMENTS_PER_STEP = 0.5
IMPORT, NETWORK = "F2 bench.py imports", "F3 no network is needed"
NAMES = TRIPLE, BLOCKS, ONE_EINSUM, TIMED, AGREE, NUMPY, FLOAT32, OPERANDS = (
    "A1 naive is a triple loop",
    "A2 blocked is six loops over blocks",
    "A3 einsum is np.einsum",
    "A4 what is timed is these functions",
    "A5 the functions agree with A @ B",
    "A6 NumPy alone",
    "A7 float32 throughout",
    "A8 make_operands draws from seed 42",
)

Answers = dict[str, Any]


def checks(given: Submission) -> Iterator[Check]:
    """Run bench.py's functions, and judge them."""
    if "bench.py" in given.files:
        yield from judged(given, *ask(given.folder))
    else:
        yield from (Check(name, None, f"bench.py {given.faults['bench.py']}") for name in (IMPORT, *NAMES))


def judged(given: Submission, answers: Answers, ended: str | None) -> Iterator[Check]:
    """The checks from a worker's answers, and from how its process ended if not as it should."""
    functions = answers["functions"]
    imports = list(_foreign_imports(given, answers.get("sources") or ["bench.py"]))
    if failed := answers.get("import") or (None if "sources" in answers else ended):
        missing = (answers.get("missing") or "").partition(".")[0]
        able = f"{failed}: install it and verify again, or leave bench.py able to do without it"
        faults = [f"{failed}; what measures belongs under `if __name__ == '__main__':`"]
        yield judge(IMPORT, faults if not missing or missing in FOREIGN else [], "", able)
        yield from (judge(name, imports if name == NUMPY else [], "", "bench.py does not import") for name in NAMES)
        return
    yield Check(IMPORT, True, "it is imported without measuring anything")
    for name, function, watched in ((TRIPLE, NAIVE, _loops), (BLOCKS, BLOCKED, _loops), (ONE_EINSUM, EINSUM, _einsum)):
        about = functions.get(function)
        if function not in functions:
            yield Check(name, None, "the process ended before it was called")
        elif about is None:
            where = f"or in a file that it imports; of a class, with a line `{function} = TheClass.{function}`"
            yield Check(name, False, f"bench.py has no {function}: define it there, {where}")
        elif "instructions" not in about:
            yield Check(name, None, f"{function} gives a wrong result before it can be watched: see {AGREE[:2]}")
        else:
            yield watched(name, function, about)
    wrong, called = answers.get("methods"), {name: about for name, about in functions.items() if about}
    faults = [f"{name!r} in the table does something else than the function of that name" for name in wrong or ()]
    unknown = "bench.py has no table from names to functions, such as METHODS, so what is timed is unknown"
    met = "the table has under each name the function of that name, and np.matmul"
    yield judge(TIMED, faults, met, unknown if wrong is None else "")
    yield _agreement(called, ended)
    loaded = ", ".join(answers["loaded"])
    unknown = f"{loaded} is loaded by something that bench.py imports" if loaded else ""
    yield judge(NUMPY, imports, "no numerical or compiling library but NumPy is imported", unknown)
    yield _float32(called)
    same, rng = answers.get("operands"), f"np.random.default_rng({SEED})"
    faults = [f"make_operands(64) does not give A, then B, of {rng}"] if same is False else []
    unknown = "" if same else "bench.py has no make_operands(n) that could be called; the records state the seed"
    yield judge(OPERANDS, faults, f"A, then B, float32, of {rng}.standard_normal", unknown)
    if answers.get("reached"):
        yield Check(NETWORK, False, f"it reaches for the network ({', '.join(sorted(set(answers['reached'])))})")


# --- the process ------------------------------------------------------------------------------------------


def ask(folder: Path) -> tuple[Answers, str | None]:
    """(the worker's answers, why it did not come to its end), of a copy of the folder: nothing in it changes."""
    with tempfile.TemporaryDirectory() as temporary:
        exchange = Path(temporary).resolve()
        copy, path = exchange / "submission", exchange / "answers.json"
        for source in itertools.islice(itertools.chain(*map(folder.glob, NEEDED)), MOST_PATHS):
            with contextlib.suppress(OSError, UserError):  # a folder, a pipe, a link out of the folder: not copied
                if source.stat().st_size <= MOST_BYTES:
                    raw, into = read_file(source, folder), copy / source.relative_to(folder)
                    into.parent.mkdir(parents=True, exist_ok=True)
                    into.write_bytes(raw)
        ended = _run(copy, path)
        try:
            answers = json.loads(read_file(path, exchange))
            stage = answers["stage"]
        except (UserError, ValueError, RecursionError, LookupError, TypeError):
            return {"functions": {}}, ended or "bench.py ends the process that imports it"
        return answers, None if stage is None else f"{stage} {ended or 'ends the process'}"


def _run(copy: Path, answers: Path) -> str | None:
    """How the worker ended, if it did not come to its end."""
    path = os.pathsep.join([str(Path(__file__).resolve().parents[2]), str(copy)])
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
    threads = dict.fromkeys((*THREAD_VARIABLES, "VECLIB_MAXIMUM_THREADS"), "1")
    private = dict.fromkeys(("HOME", "TMPDIR", "MPLCONFIGDIR"), str(copy.parent)) | {"MPLBACKEND": "Agg"}
    python = {"PYTHONPATH": path, "PYTHONUSERBASE": site.getuserbase(), "PYTHONDONTWRITEBYTECODE": "1"}
    worker = subprocess.Popen(
        [sys.executable, "-P", "-m", "labkit.verify.worker", str(copy), str(answers), str(secrets.randbits(32))],
        cwd=copy,
        env=kept | threads | private | python,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        status = worker.wait(LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        return f"did not end within {LIMIT_SECONDS:g} s"
    finally:
        end_group(worker)
    by = ended_by(status)
    return f"ended the process by {by}" if by else f"ended the process with status {status}" if status else None


# --- judging ----------------------------------------------------------------------------------------------


def _loops(name: str, function: str, about: Answers) -> Check:
    """Whether a function is loops of Python over single elements, and blocked one over blocks."""
    faults, steps, many = [], about["steps"], about["instructions"]
    if about["products"]:
        faults.append(f"{function} lets NumPy multiply matrices: {_calls(about['products'])}")
    elif about["elements"] > MOST_ELEMENTS_PER_STEP * steps:
        faults.append(
            f"{function} works on whole rows: {_calls(about['operations'])} over {about['elements']:,} elements in "
            f"{steps:,} steps; the inner loop is to be C[i, j] += A[i, k] * B[k, j]"
        )
    elif many is not None and many < LEAST_INSTRUCTIONS_PER_STEP * steps:
        faults.append(
            f"{function} takes {many:,} instructions of the interpreter for {steps:,} steps: something else than a "
            "loop of Python over single elements does the work"
        )
    elif about["at_once"]:
        faults.append(f"{function} is done with a product of 10^8 steps sooner than any loop of Python can be")
    if about["lists"]:
        faults.append(f"{function} keeps a matrix in a Python list ({', '.join(about['lists'])}): use NumPy arrays")
    if function == BLOCKED and not about["block"]:
        faults.append(f"{function} has no parameter for the block size: write {function}(A, B, block_size=64)")
    if about["in_halves"] is not None and about["in_halves"] == many:
        faults.append(
            f"{function} does exactly the same work whatever its {about['block']} is: nothing is cut into blocks"
        )
    if faults and about.get("line"):
        faults[0] += f" ({about['line']})"
    met = f"{(many or 0) / steps:.0f} instructions of the interpreter per step, and no array operation in the loops"
    return judge(name, faults, met, "" if many else f"{function} fails when its instructions are counted")


def _calls(names: list[str]) -> str:
    return ", ".join(f"np.{name}" for name in names)


def _einsum(name: str, function: str, about: Answers) -> Check:
    """A BLAS adds in another order than np.einsum's own loop, and every bit tells."""
    bits, products = about["bits_of"], about["products"]
    if "matmul" in bits and "einsum" not in bits:
        return Check(name, False, "its result is np.matmul's, bit for bit: call np.einsum without optimize")
    if (about["instructions"] or 0) >= LEAST_INSTRUCTIONS_PER_STEP * about["steps"]:
        return Check(name, False, f"{function} is a loop of Python: call np.einsum('ik,kj->ij', A, B)")
    if "einsum" in bits and not set(products) - {"einsum"}:
        return Check(name, True, "its result is np.einsum's, bit for bit")
    if products == ["einsum"]:
        return Check(name, None, "it calls np.einsum, but adds in another order than np.einsum('ik,kj->ij', A, B)")
    called = f"it calls {_calls(products)}" if products else "its result has other bits than np.einsum's"
    return Check(name, False, f"{called}: call np.einsum('ik,kj->ij', A, B) alone")


def _agreement(called: dict[str, Answers], ended: str | None) -> Check:
    faults = [f"{name} {fault}" for name, about in called.items() for fault in about["faults"]]
    if any("is outside" in fault for fault in faults):
        faults[0] += " (is it C[i, j] += A[i, k] * B[k, j]?)"
    met = f"{', '.join(called)}: within the bound of fp32, exact on integers"
    return judge(AGREE, faults + ([ended] if ended else []), met, "" if called else "there is no function to be called")


def _foreign_imports(given: Submission, sources: list[str]) -> Iterator[str]:
    """Where the submission's own files import what computes and is not NumPy."""
    for source in sources:
        try:
            tree = ast.parse(read_file(given.folder / source, given.folder))
        except (UserError, SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom) and not getattr(node, "level", 0):
                for name in [getattr(node, "module", None) or alias.name for alias in node.names]:
                    if name.partition(".")[0] in FOREIGN:
                        yield f"{source}, line {node.lineno}, imports {name}: NumPy alone is asked for"


def _float32(called: dict[str, Answers]) -> Check:
    faults, known = [], [name for name, about in called.items() if "dtype" in about]
    for name in known:
        if called[name]["dtype"] != "float32":
            faults.append(f"{name} returns {called[name]['dtype']}")
        elif called[name]["rounded_once"]:
            faults.append(f"{name} sums in float64 and rounds at the end: sum in float32")
    unknown = "" if known else "no function gave a product"
    return judge(FLOAT32, faults, "products are float32, and summed as such", unknown)
