"""The process that runs a product which is not the ladder's own: loads it, checks it, times it when asked.

`python -m labkit.ladder.child SPEC`, SPEC as in `labkit.ladder.apart`. It says each fact as a line of JSON, and for a
line {"n": N} or {"n": N, "calls": K} of standard input it makes operands ready, or times so many calls.
"""

import ctypes
import importlib
import inspect
import json
import os
import sys
import textwrap
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from labkit.errors import UserError
from labkit.ladder import checks
from labkit.machine.blas import asked, loaded_blas
from labkit.machine.process import run_on
from labkit.matmul import source
from labkit.matmul.operands import Matrix
from labkit.measure.clock import SystemClock
from labkit.measure.sampling import time_calls
from labkit.traffic.called import operands

# A call of a slow product computes so many rows of C as take this long, and where one row takes longer a part of it.
CALL_SECONDS = 0.025
SHOWN_LINES = 40  # of a source
ROW_MAJOR, AS_IS = 101, 111  # of CBLAS


class CFunction:
    """A C function with the arguments of `cblas_sgemm`, 32-bit integers."""

    def __init__(self, library: str, name: str) -> None:
        number, real, pointer = ctypes.c_int, ctypes.c_float, ctypes.c_void_p
        try:
            self._function = getattr(ctypes.CDLL(library), name)
        except (OSError, AttributeError) as error:
            raise UserError(f"cannot be loaded ({' '.join(str(error).split())})") from None
        self._function.restype = None
        matrices = [real, pointer, number, pointer, number, real, pointer, number]
        self._function.argtypes = [*[number] * 6, *matrices]

    def bind(self, A: Matrix, B: Matrix, C: Matrix) -> Callable[[], object]:
        """The call, its arguments ready: C = 1 A B + 0 C."""
        a, b, c = ((X.ctypes.data_as(ctypes.c_void_p), max(1, X.strides[0] // 4)) for X in (A, B, C))
        return partial(self._function, ROW_MAJOR, AS_IS, AS_IS, *C.shape, A.shape[1], 1.0, *a, *b, 0.0, *c)

    def __call__(self, A: Matrix, B: Matrix, C: Matrix) -> None:
        self.bind(A, B, C)()


def python_function(found: Any) -> checks.Multiply:
    """A function of A and B that returns C, or of A, B and the room for C."""
    if not callable(found):
        raise UserError(f"is a {type(found).__name__} and not a function")
    try:
        parameters = inspect.signature(found).parameters
    except (ValueError, TypeError):  # of a built-in function that does not tell
        return lambda A, B, C: found(A, B)
    if "out" in parameters:
        return lambda A, B, C: found(A, B, out=C)
    needed = [
        p
        for p in parameters.values()
        if p.default is p.empty and p.kind in (p.POSITIONAL_OR_KEYWORD, p.POSITIONAL_ONLY)
    ]
    return found if len(needed) == 3 else lambda A, B, C: found(A, B)


def load(kind: str, place: str, name: str) -> tuple[checks.Multiply, dict[str, Any]]:
    """(the product, facts about it). A UserError says what a function of one's own lacks."""
    if kind in ("numpy", "c"):
        multiply: checks.Multiply = partial(np.matmul) if kind == "numpy" else CFunction(place, name)
        blas = loaded_blas() if kind == "numpy" else asked(place).blas
        return multiply, {"version": blas.version, "kernel": blas.kernel, "threads": blas.threads}
    if kind == "blis":
        gemm = importlib.import_module("blis.py").gemm
        return lambda A, B, C: gemm(A, B, out=C, beta=0.0), {"version": version("blis")}
    sys.path.append(str(Path(place).parent))  # what stands beside the file can be imported, as where it is run
    try:
        module = source.load(Path(place))
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"cannot be imported: {type(error).__name__} ({error})") from None
    if not hasattr(module, name):
        raise UserError(f"has no function {name}")
    found = getattr(module, name)
    facts = {key: getattr(module, key.upper(), None) for key in ("expected", "over")}
    return python_function(found), {**facts, "code": _code(found)}


def _code(found: Any) -> str:
    """The source of a function, as the page shows it; nothing where it has none, or too much of it."""
    try:
        lines = textwrap.dedent(inspect.getsource(getattr(found, "py_func", found))).rstrip().splitlines()
    except (OSError, TypeError):
        return ""
    return "\n".join(lines) if len(lines) <= SHOWN_LINES else ""


class Prepared:
    """Operands of order n, and as much of the product as a call computes."""

    def __init__(self, multiply: checks.Multiply, n: int) -> None:
        A, B, C = operands(n)
        self.rows, self.columns = 1, n

        def call() -> Callable[[], object]:
            bind = multiply.bind if isinstance(multiply, CFunction) else partial(partial, multiply)
            return bind(A[: self.rows], B[:, : self.columns], C[: self.rows, : self.columns])

        def seconds() -> float:
            started = time.perf_counter()
            call()()
            return time.perf_counter() - started

        seconds()  # what only a first call does
        while self.columns > 1 and seconds() > 2 * CALL_SECONDS:
            self.columns //= 2
        while self.columns == n and self.rows < n and seconds() < CALL_SECONDS:
            self.rows = min(n, 2 * self.rows)
        self.call = call()


def main(kind: str, place: str, name: str, checked: str) -> None:
    """Serve until the asking process goes away. What the product prints is not for that process to read."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def say(**facts: Any) -> None:
        answers.write(json.dumps(facts, default=str) + "\n")

    try:
        multiply, facts = load(kind, place, name)
        if checked:
            checks.check("it", multiply, facts.get("threads"))
            say(stage="guarded")
            checks.check_guarded(multiply)
    except UserError as error:
        say(refused=str(error).removeprefix("it "))
        return
    say(ready={key: value for key, value in facts.items() if value is not None})
    clock, prepared = SystemClock(), dict[int, Prepared]()
    for line in sys.stdin:
        asked = json.loads(line)
        if "cpus" in asked:
            run_on(asked["cpus"])
            continue
        n = asked["n"]
        if n not in prepared:
            prepared[n] = Prepared(multiply, n)
        found = prepared[n]
        if "calls" in asked:
            wall, cpu = time_calls(found.call, asked["calls"], clock)
            say(wall=wall, cpu=cpu)
        else:
            say(rows=found.rows, columns=found.columns)


if __name__ == "__main__":
    main(*sys.argv[1:])
