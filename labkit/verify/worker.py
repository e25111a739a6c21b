"""A submission's functions, called in a process of their own: `python -I worker.py FOLDER EXCHANGE MORE...`

It judges nothing. It takes operands from EXCHANGE and leaves there what the functions made of them. It holds itself
back from the network, from other processes and from writing elsewhere: enough for honest mistakes and for cheap
tricks, no jail for a program that means harm. Standard library and NumPy alone.
"""

import contextlib
import ctypes
import importlib.util
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000  # linux/sched.h
CPU_SECONDS = 120  # the parent ends us long before, by the clock
WRITTEN_BYTES, MEMORY_BYTES = 64 << 20, 4 << 30
BUSY_N = 1024  # the lab's largest: a loop in Python takes minutes for it
# Functions of NumPy that only look at an array, or make one: no computing.
LOOKING = {"shape", "ndim", "size", "may_share_memory", "shares_memory", "zeros_like", "empty_like", "full_like",
           "copy", "asarray", "transpose", "isfortran", "result_type", "can_cast", "array_equal", "copyto"}  # fmt: skip
NETWORK = ("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo",
           "socket.gethostbyname", "socket.gethostbyaddr", "urllib.Request", "http.client.connect")  # fmt: skip
PROCESSES = ("subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn",
             "os.startfile", "pty.spawn")  # fmt: skip
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
REMOVING = ("os.remove", "os.rename", "os.rmdir", "os.truncate", "os.link", "os.symlink", "os.chmod", "os.mkdir",
            "shutil.rmtree", "shutil.move", "os.chown", "os.utime", "sqlite3.connect")  # fmt: skip


def main() -> None:
    """Import, call, watch, and leave the answers."""
    folder, exchange = Path(sys.argv[1]), Path(sys.argv[2])
    _hold_back()
    import numpy as np

    plan = json.loads((exchange / "plan.json").read_text())
    operands = dict(np.load(exchange / "operands.npz"))
    scratch = exchange / "scratch"
    scratch.mkdir()
    os.chdir(scratch)
    sys.path[:0] = [str(folder)]
    sys.path += sys.argv[3:]  # where a bench.py of this repository finds what it did not bring along
    sys.dont_write_bytecode = True
    answers: dict[str, Any] = {"errors": {}, "tried": []}
    _guard(exchange, answers["tried"])

    def at(stage: str) -> None:
        (exchange / "stage").write_text(stage)

    # Taken hold of before anything of the submission is run.
    leave, write = np.savez, json.dumps
    at("import")
    with contextlib.redirect_stdout(sys.stderr):
        bench = _imported(folder / "bench.py", answers)
        if bench is not None:
            find = partial(_find, bench, plan["siblings"])
            products = _call_all(find, plan, operands, answers, at)
            leave(exchange / "products.npz", **products)
            at("watched calls")
            answers["watched"] = {name: _watched(find(name), folder, operands) for name in plan["watched"]}
            at("calls of large products")
            answers["returned"] = [n for n in plan["watched"] if _returns(find(n), plan["busy_seconds"])]
            at("METHODS")
            answers["methods"] = _methods(bench, {name: find(name) for name in plan["functions"]})
            answers["lines"] = {name: _line(find(name)) for name in plan["functions"]}
            at("make_operands")
            answers["operands"] = _operands(bench)
    answers["loaded"] = sorted(name for name in plan["foreign"] if name in sys.modules)
    (exchange / "answers.json").write_text(write(answers))


def _find(bench: Any, siblings: list[str], name: str) -> Any:
    """A function of bench.py, or of a file beside it that it imports."""
    modules = [bench, *(sys.modules[one] for one in siblings if one in sys.modules)]
    return next((getattr(module, name) for module in modules if hasattr(module, name)), None)


def _hold_back() -> None:
    """Limits that the system keeps: processor time, size of files, and, where it lets us, a network of nobody's."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        resource.setrlimit(resource.RLIMIT_FSIZE, (WRITTEN_BYTES, WRITTEN_BYTES))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).unshare(CLONE_NEWUSER | CLONE_NEWNET)


def _guard(exchange: Path, tried: list[str]) -> None:
    """From here on no connection, no process, no file written but in the exchange. It cannot be taken off again."""
    inside = str(exchange.resolve())

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event in NETWORK:
            tried.append(event)
            raise PermissionError("no network while a result is verified")
        if event in PROCESSES:
            raise PermissionError("no other process while a result is verified: start it under `if __name__`")
        if event == "open" and _writes(arguments) and not _within(arguments[0], inside):
            raise PermissionError("no file is written while a result is verified: do so under `if __name__`")
        if event == "os.mkdir" and os.path.isdir(os.fsdecode(arguments[0])):  # type: ignore[arg-type]
            return  # the system says itself that it is there
        if event in REMOVING and not _within(arguments[0], inside):
            raise PermissionError("no file is changed while a result is verified")

    sys.addaudithook(hook)


def _writes(arguments: tuple[object, ...]) -> bool:
    _, mode, flags = (*arguments, None, None)[:3]
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return isinstance(flags, int) and bool(flags & WRITING)


def _within(path: object, folder: str) -> bool:
    if isinstance(path, int):  # a descriptor that is open already
        return True
    named = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else ""
    return os.path.realpath(named).startswith(folder + os.sep) or named == os.devnull


def _imported(path: Path, answers: dict[str, Any]) -> Any:
    """The module bench, not as a program; None, with why, if that fails."""
    specification = importlib.util.spec_from_file_location("bench", path)
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    sys.modules["bench"] = module
    try:
        specification.loader.exec_module(module)
    except BaseException as error:
        answers["import"] = _said(error, path.parent)
        return None
    return module


def _said(error: BaseException, folder: Path) -> str:
    """An error on one line, with the submission's own line that it came from."""
    try:
        words = str(error)
    except BaseException:
        words = "it cannot say what"
    lines = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).parent == folder]
    where = f" ({Path(lines[-1].filename).name}, line {lines[-1].lineno})" if lines else ""
    return f"{type(error).__name__}: {' '.join(words.replace(f'{folder}{os.sep}', '').split())}"[:300] + where


def _call_all(
    find: Callable[[str], Any], plan: Any, operands: Any, answers: dict[str, Any], at: Callable[[str], None]
) -> dict[str, Any]:
    """Each function on each pair of operands: the products, and what went wrong instead of some."""
    import numpy as np

    products = {}
    for name in plan["functions"]:
        multiply = find(name)
        if multiply is None:
            continue
        for case in plan["cases"]:
            at(f"{name} {case}")
            A, B = operands[f"A {case}"].copy(), operands[f"B {case}"].copy()
            try:
                product = multiply(A, B)
                if not (np.array_equal(A, operands[f"A {case}"]) and np.array_equal(B, operands[f"B {case}"])):
                    raise ValueError("it changes its operands")
                if not isinstance(product, np.ndarray):
                    raise TypeError(f"it returns a {type(product).__name__}, not an array")
                if product.dtype.kind not in "fiu":
                    raise TypeError(f"it returns an array of {product.dtype}")
                if product.shape != (A.shape[0], B.shape[1]):
                    raise ValueError(f"it returns shape {product.shape}")
                products[f"{name} {case}"] = np.array(product)
            except BaseException as error:
                answers["errors"][f"{name} {case}"] = _said(error, Path(plan["folder"]))
    return products


def _watched(multiply: Any, folder: Path, operands: Any) -> dict[str, Any] | None:
    """Of one call: how many instructions of the interpreter it took, and which array operations of NumPy it made."""
    import numpy as np

    seen: list[str] = []

    class Watched(np.ndarray):
        """An array that tells what is computed with it."""

        def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **more: Any) -> Any:
            if any(np.size(x) > 1 for x in inputs):
                seen.append(f"np.{ufunc.__name__}")
            bare = [x.view(np.ndarray) if isinstance(x, Watched) else x for x in inputs]
            if out is not None:
                more["out"] = tuple(x.view(np.ndarray) if isinstance(x, Watched) else x for x in out)
            return getattr(ufunc, method)(*bare, **more)

        def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
            if function.__name__ not in LOOKING:
                seen.append(f"np.{function.__name__}")
            return super().__array_function__(function, types, args, kwargs)

    if multiply is None:
        return None
    steps = 0

    def tracer(frame: Any, event: str, _: Any) -> Any:
        nonlocal steps
        frame.f_trace_opcodes = True
        steps += event == "opcode"
        return tracer

    A, B = (operands[f"{X} watched"].copy().view(Watched) for X in "AB")
    try:
        multiply(A, B)
        sys.settrace(tracer)
        multiply(*(operands[f"{X} watched"].copy() for X in "AB"))
    except BaseException as error:
        sys.settrace(None)
        return {"error": _said(error, folder)}
    sys.settrace(None)
    return {"steps": steps, "array_operations": sorted(set(seen))}


def _returns(multiply: Any, seconds: float) -> bool:
    """Whether a product of the lab's largest size is done in so short a time: then no loop in Python does it."""
    import numpy as np

    if multiply is None or not seconds or not hasattr(signal, "setitimer"):
        return False

    class Enough(BaseException):
        """Time is up, and the function still at work."""

    def ring(*_: object) -> None:
        raise Enough

    A, B = (np.ones((BUSY_N, BUSY_N), np.float32) for _ in "AB")
    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        multiply(A, B)
        return True
    except BaseException:  # time is up, or it does not take such sizes
        return False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _bare(function: Any) -> Any:
    """What stands behind decorators that say what they wrap, and behind partial."""
    try:
        while isinstance(function, partial) or hasattr(function, "__wrapped__"):
            function = function.func if isinstance(function, partial) else function.__wrapped__
    except BaseException:
        pass
    return function


def _line(function: Any) -> list[Any] | None:
    """[file, first line] of a function's code; None where it has none of Python's."""
    code = getattr(_bare(function), "__code__", None)
    return [Path(code.co_filename).name, code.co_firstlineno] if code else None


def _methods(bench: Any, functions: dict[str, Any]) -> list[str] | None:
    """Which entries of a table METHODS are other functions than those they are named after.

    None without a table, or with one whose entries are of a kind that cannot be told apart.
    """
    import numpy as np

    table = getattr(bench, "METHODS", None)
    if not isinstance(table, dict):
        return None
    wanted = {name.removeprefix("matmul_"): f for name, f in functions.items()} | {"matmul": np.matmul}
    wrong, told = [], 0
    for name, function in wanted.items():
        entry = table.get(name)
        if isinstance(entry, tuple | list):  # a function with its colour, say
            entry = next((one for one in entry if callable(one)), None)
        entry = _bare(entry)
        if entry is None or not callable(entry) or getattr(entry, "__name__", "") == "<lambda>":
            continue
        told += 1
        if entry is not _bare(function):
            wrong.append(name)
    return sorted(wrong) if told else None


def _operands(bench: Any) -> bool | None:
    """Whether make_operands(64), if there is one, gives the lab's A and B: A first, from seed 42."""
    import numpy as np

    make = getattr(bench, "make_operands", None)
    if not callable(make):
        return None
    rng = np.random.default_rng(42)
    wanted = [rng.standard_normal((64, 64)).astype(np.float32) for _ in "AB"]
    try:
        given = tuple(make(64))[:2]
        if not all(isinstance(one, np.ndarray) for one in given) or len(given) < 2:
            return None
        return all(one.dtype == np.float32 and np.array_equal(one, X) for one, X in zip(given, wanted, strict=True))
    except BaseException:
        return None


if __name__ == "__main__":
    main()
