"""Calls of a submission's function: at fresh operands, and watched while it runs. Standard library and NumPy alone."""

import contextlib
import inspect
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import numpy.typing as npt

from labkit.verify.assignment import AGREEMENT_N, ATOL, BLOCK_SIZE, BLOCKED, EINSUM, RTOL

STEP_SECONDS = 20.0  # for one call; the slowest honest one takes 0.1 s on a fast machine
# No interpreter does the 10^8 steps of a product of this order in this time; a BLAS needs 0.01 s.
LARGE_N, AT_ONCE_SECONDS = 512, 0.1
WATCHED_N = 16  # of the calls whose instructions are counted
LARGEST_INTEGER = 8  # partial sums of such integers are exact in fp32, in any order
UNIT = 2.0**-24  # the rounding error of fp32
# Summed in fp64 and rounded once, nearly every element is the exact product rounded; in fp32 one in five is.
ROUNDED_ONCE = 0.9
BLOCK_NAME = re.compile(r"blo[ckq]|tile|size|^bs$|^b$", re.IGNORECASE)
PRODUCTS = frozenset(
    [
        *("matmul", "dot", "vdot", "inner", "outer", "einsum", "tensordot", "vecdot", "matvec", "vecmat", "kron"),
        *("multi_dot", "convolve", "correlate"),
    ]
)

Matrix = npt.NDArray[Any]


class Timeout(BaseException):
    """A call that did not end in time; no `except Exception` of a submission holds it up."""


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """A Timeout if what stands inside takes longer; code is stopped between two instructions of the interpreter."""
    if not hasattr(signal, "setitimer"):  # Windows
        yield
        return

    def ring(*_: object) -> None:
        raise Timeout(f"it did not end within {seconds:g} s")

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def is_in(file: object, folder: Path) -> bool:
    """Whether a file name lies in a folder."""
    return isinstance(file, str) and Path(file).is_relative_to(folder)


def told(error: BaseException, folder: Path) -> str:
    """An error on one line, with the submission's own line that it came from."""
    words = " ".join(str(error).replace(f"{folder}{os.sep}", "").split())
    lines = [f for f in traceback.extract_tb(error.__traceback__) if is_in(f.filename, folder)]
    where = f" ({Path(lines[-1].filename).name}, line {lines[-1].lineno})" if lines else ""
    return (words if isinstance(error, Timeout) else f"{type(error).__name__}: {words}")[:300] + where


# --- one call --------------------------------------------------------------------------------------------


def parameters(function: Any) -> tuple[dict[str, Any], str | None]:
    """(those behind A and B with their defaults, which of them is the block size): by name, or by a whole default."""
    try:
        every = [] if isinstance(function, np.ufunc) else list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # of a builtin, say
        every = []
    extra = {p.name: p.default for p in every[2:] if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    named = [name for name in extra if BLOCK_NAME.search(name)]
    return extra, next(iter([*named, *(name for name, default in extra.items() if type(default) is int)]), None)


def prepared(function: Any, A: Matrix, B: Matrix, block: int | None = None) -> Callable[[], Any]:
    """A call with the block size if one is given, and for any other parameter without a default a C of zeros to fill.

    It gives what the function returns; or that C, if it returns nothing.
    """
    given: dict[str, Any] = {}
    C, (extra, size) = None, parameters(function)
    for name, default in extra.items():
        if name == size and (block or default is inspect.Parameter.empty):
            given[name] = block or BLOCK_SIZE
        elif default is inspect.Parameter.empty:
            given[name] = C = np.zeros((len(A), len(B)), np.float32)

    def call() -> Any:
        product = function(A, B, **given)
        return C if product is None else product

    return call


def attempted(
    function: Any, A: Matrix, B: Matrix, folder: Path, block: int | None = None, exact: bool = False
) -> tuple[Matrix | None, str | None]:
    """(product, what is wrong): farther off than any order of summation in fp32 allows; of integers, off at all."""
    at, a, b = f"at N = {len(A)}{f' in blocks of {block}' if block else ''}: ", A.copy(), B.copy()
    try:
        call = prepared(function, a, b, block)
        with within(STEP_SECONDS):
            product = call()
        if not isinstance(product, np.ndarray):
            raise TypeError(f"it returns a {type(product).__name__}, not an array")
        if product.dtype.kind not in "fiu" or product.shape != A.shape:
            raise TypeError(f"it returns an array of {product.dtype} and shape {product.shape}")
        if not (np.array_equal(a, A) and np.array_equal(b, B)):
            raise ValueError("it changes its operands")
        product = np.asarray(product)
    except Timeout:
        raise
    except BaseException as error:
        return None, at + told(error, folder)
    wide_a, wide_b = A.astype(np.float64), B.astype(np.float64)
    wanted = wide_a @ wide_b
    off = np.abs(product.astype(np.float64) - wanted)
    bound = ATOL + max(RTOL, 2 * len(A) * UNIT) * (np.abs(wide_a) @ np.abs(wide_b))
    allowed = np.zeros_like(bound) if exact else bound
    if np.all(off <= allowed):
        return product, None
    i, j = np.unravel_index(np.argmax(np.where(np.isfinite(off), off - allowed, np.inf)), off.shape)
    why = "is not exact on small integers, as fp32 is" if exact else "is outside the bound of fp32"
    return product, f"{at}{product[i, j]:.6g} for {wanted[i, j]:.6g} in row {i}, column {j} {why}"


def normal(rng: np.random.Generator, n: int) -> tuple[Matrix, Matrix]:
    """A, then B, of order n, float32, standard normal."""
    A = rng.standard_normal((n, n)).astype(np.float32)
    return A, rng.standard_normal((n, n)).astype(np.float32)


# --- what a function does ----------------------------------------------------------------------------------


def examined(name: str, function: Any, folder: Path, rng: np.random.Generator) -> dict[str, Any] | None:
    """What one function does at fresh operands; None where there is none."""
    if not callable(function):
        return None
    block = parameters(function)[1] if name == BLOCKED else None
    about: dict[str, Any] = {"faults": [], "block": block, "line": _line_of(function, folder)}
    # The assignment's own size; then a fresh one, of integers: for blocked, one that a fresh block divides.
    A, B = normal(rng, AGREEMENT_N)
    size = int(rng.integers(5, 10)) if block else None
    n = size * int(rng.integers(3, 6)) if size else AGREEMENT_N if name == BLOCKED else int(rng.integers(20, 50))
    integers = rng.integers(-LARGEST_INTEGER, LARGEST_INTEGER, (2, n, n), endpoint=True).astype(np.float32)
    try:
        product, fault = attempted(function, A, B, folder)
        _, of_integers = attempted(function, integers[0], integers[1], folder, size, exact=True)
        about["faults"] += filter(None, (fault, of_integers))
        if product is not None:
            once = (A.astype(np.float64) @ B.astype(np.float64)).astype(np.float32)
            others = {"einsum": np.einsum("ik,kj->ij", A, B), "matmul": A @ B}
            about["dtype"], about["rounded_once"] = str(product.dtype), bool(np.mean(product == once) > ROUNDED_ONCE)
            about["bits_of"] = [other for other, X in others.items() if np.array_equal(product, X)]
        if not about["faults"]:
            about |= _watched(function, folder, rng, block)
            about["at_once"] = name != EINSUM and _is_done_at_once(function)
    except Timeout as error:  # it is not called again
        about["faults"].append(told(error, folder))
    return about


def _line_of(function: Any, folder: Path) -> str | None:
    """Where a function is defined, or a method; None if it stands in no file of the submission."""
    inner = inspect.unwrap(getattr(function, "func", function))
    code = getattr(inner, "__code__", None) or getattr(getattr(inner, "__func__", None), "__code__", None)
    if not code or not is_in(code.co_filename, folder):
        return None
    return f"{Path(code.co_filename).name}, line {code.co_firstlineno}"


class Watched(np.ndarray[Any, Any]):
    """An array that tells what NumPy computes with it."""

    seen: list[tuple[str, int]] = []  # noqa: RUF012  # (function, elements): one list for all of a call

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **more: Any) -> Any:
        largest = max(int(np.size(x)) for x in inputs)
        if largest > 1:
            self.seen.append((ufunc.__name__, largest))
        if out is not None:
            more["out"] = tuple(_bare(x) for x in out)
        product = getattr(ufunc, method)(*map(_bare, inputs), **more)
        return product.view(Watched) if isinstance(product, np.ndarray) else product

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function.__name__ in PRODUCTS:
            self.seen.append((function.__name__, self.size))
        return super().__array_function__(function, types, args, kwargs)

    def dot(self, *args: Any, **kwargs: Any) -> Any:
        """The method, which passes through neither of the above."""
        self.seen.append(("dot", self.size))
        return self.view(np.ndarray).dot(*args, **kwargs)


def _bare(x: Any) -> Any:
    return x.view(np.ndarray) if isinstance(x, Watched) else x


def _watched(function: Any, folder: Path, rng: np.random.Generator, size: str | None) -> dict[str, Any]:
    """Of one call: what NumPy computed, how many instructions the interpreter ran, what was kept in lists."""
    n, block = WATCHED_N, WATCHED_N if size else None
    A, B = normal(rng, n)
    if attempted(function, A, B, folder, block)[1]:  # blocks of 64 that must divide N, say
        n = AGREEMENT_N
        A, B = normal(rng, n)
    Watched.seen.clear()
    with contextlib.suppress(BaseException), within(STEP_SECONDS):
        prepared(function, A.copy().view(Watched), B.copy().view(Watched), block)()
    instructions, lists = count_instructions(function, A, B, block, folder)
    return {
        "steps": n**3,
        "products": sorted({name for name, _ in Watched.seen if name in PRODUCTS}),
        "operations": sorted({name for name, _ in Watched.seen if name not in PRODUCTS}),
        "elements": sum(many for name, many in Watched.seen if name not in PRODUCTS),
        "instructions": instructions,
        "in_halves": count_instructions(function, A, B, block // 2, folder)[0] if block else None,
        "lists": lists,
    }


def count_instructions(
    function: Any, A: Matrix, B: Matrix, block: int | None = None, folder: Path = Path()
) -> tuple[int | None, list[str]]:
    """(instructions of the interpreter, names of the matrices kept in lists) of a call; None if it fails."""
    many, least, lists, lines = 0, min(A.size, B.size), set[str](), set[object]()

    def tracer(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal many
        frame.f_trace_opcodes = True
        if event == "opcode":
            many += 1
        elif (line := (frame.f_code, frame.f_lineno)) not in lines or event == "return":
            lines.add(line)
            if is_in(frame.f_code.co_filename, folder):
                lists.update(name for name, value in frame.f_locals.items() if _numbers(value) >= least)
        return tracer

    call, before = prepared(function, A.copy(), B.copy(), block), sys.gettrace()
    try:
        with within(STEP_SECONDS):
            try:
                sys._getframe().f_trace_opcodes = True  # Python 3.12 counts only if a frame asks for it beforehand
                sys.settrace(tracer)
                call()
            finally:
                sys.settrace(before)
    except BaseException:
        return None, []
    return many, sorted(lists)


def _numbers(value: object) -> int:
    """How many fractions a list holds, or a list of lists."""
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list | tuple) or not value:
        return isinstance(value, float | np.floating)
    return len(value) * _numbers(value[0])


def _is_done_at_once(function: Any) -> bool:
    """Whether a large product is done sooner than any loop in Python could do it."""
    A = np.ones((LARGE_N, LARGE_N), np.float32)
    if not hasattr(signal, "setitimer"):
        return False
    with contextlib.suppress(BaseException):  # time is up, or it does not take such sizes
        call = prepared(function, A, A.copy())
        with within(AT_ONCE_SECONDS):
            call()
        return True
    return False
