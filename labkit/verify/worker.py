"""A submission, run in a process of its own: `python -m labkit.verify.worker FOLDER ANSWERS SEED`.

FOLDER is a copy of the submission; what is found goes to the file ANSWERS after each step, so that a crash leaves what
was known before it. Limits of time, memory, file size and network hold off honest mistakes and cheap tricks. This is no
jail: who does not trust a submission runs it in a container.
"""

import contextlib
import ctypes
import json
import os
import signal
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from labkit.matmul.source import load
from labkit.verify import calls
from labkit.verify.assignment import AGREEMENT_N, FOREIGN, FUNCTIONS, SEED

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000  # linux/sched.h
PR_SET_PDEATHSIG = 1  # linux/prctl.h
CPU_SECONDS, WRITTEN_BYTES, MEMORY_BYTES = 120, 64 << 20, 4 << 30
TABLED = {"naive", "blocked", "einsum", "matmul", "np.matmul"}  # names that make a dictionary a table of what is timed
NETWORK = ("connect", "bind", "sendto", "sendmsg", "getaddrinfo", "gethostbyname")
# A wrapper that times or checks costs fewer instructions; three more loops around 16^3 steps cost 2,000.
WRAPPER_INSTRUCTIONS = 1000

Answers = dict[str, Any]


def main() -> None:
    """Import, call, watch; the answers are written after each step."""
    folder, path, seed = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    reached: list[str] = []
    _limit()
    sys.addaudithook(partial(_refuse, reached))
    write, encode = path.write_text, json.dumps  # taken hold of before the submission runs
    for answers in examine(folder, seed):
        write(encode(answers | {"reached": reached}))


def examine(folder: Path, seed: int) -> Iterator[Answers]:
    """What is known so far, again after each step; `stage` says what comes next, None that nothing does."""
    answers: Answers = {"stage": "importing bench.py", "functions": {}}
    yield answers
    before = {*sys.modules}
    try:
        with calls.within(calls.STEP_SECONDS):
            module = load(folder / "bench.py")
    except BaseException as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        yield answers | {"stage": None, "import": calls.told(error, folder), "missing": missing}
        return
    modules = [module, *(m for m in list(sys.modules.values()) if calls.is_in(getattr(m, "__file__", None), folder))]
    answers["sources"] = sorted({str(Path(m.__file__).relative_to(folder)) for m in modules if m.__file__})
    answers["loaded"] = sorted(FOREIGN & sys.modules.keys() - before)
    found = {name: next((getattr(m, name) for m in modules if hasattr(m, name)), None) for name in FUNCTIONS}
    for name, function in found.items():
        yield answers | {"stage": name}
        answers["functions"][name] = calls.examined(name, function, folder, np.random.default_rng(seed))
    yield answers | {"stage": "METHODS"}
    answers["methods"] = _methods(module, found)
    yield answers | {"stage": "make_operands"}
    answers["operands"] = _operands(getattr(module, "make_operands", None))
    yield answers | {"stage": None}


def _limit() -> None:
    """Limits that the system keeps, no longer a life than the parent's, and, where possible, no network."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource  # not on Windows

        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        resource.setrlimit(resource.RLIMIT_FSIZE, (WRITTEN_BYTES, WRITTEN_BYTES))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            ctypes.CDLL(None).unshare(CLONE_NEWUSER | CLONE_NEWNET)


def _refuse(reached: list[str], event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook: no network, and no signal to another process."""
    kind, _, what = event.partition(".")
    if (kind == "socket" and what in NETWORK) or event == "urllib.Request":
        reached.append(event)
        raise PermissionError("no network while a result is verified")
    if event in ("os.kill", "os.killpg") and arguments[0] != os.getpid():
        raise PermissionError("no signal to another process while a result is verified")


def _methods(module: Any, functions: dict[str, Any]) -> list[str] | None:
    """Which entries of a table do something else than the function they are named after; None without such a table."""
    wanted = {name.removeprefix("matmul_"): f for name, f in functions.items()} | {"matmul": np.matmul}
    alike = {}
    for key, entry in _table(module):
        function = wanted.get(key.removeprefix("np.").removeprefix("matmul_"))
        if isinstance(entry, tuple | list):  # a function with its colour, say
            entry = next((one for one in entry if callable(one)), None)
        if callable(entry) and callable(function):
            alike[key] = entry is function
            if entry is not function:
                (bits, many), (own_bits, own_many) = _behaviour(entry), _behaviour(function)
                alike[key] = bits == own_bits and abs(many - own_many) <= WRAPPER_INSTRUCTIONS
    return [key for key, same in alike.items() if not same] if alike else None


def _table(module: Any) -> list[tuple[str, Any]]:
    """The entries of METHODS, or of a dictionary or a list of pairs by another name that has naive and more."""
    for value in (getattr(module, "METHODS", None), *vars(module).values()):
        if isinstance(value, list | tuple) and all(isinstance(v, list | tuple) and len(v) > 1 for v in value):
            value = {v[0]: v[1:] for v in value if isinstance(v[0], str)}
        if isinstance(value, dict) and len({str(key).removeprefix("matmul_") for key in value} & TABLED) > 1:
            return [(str(key), entry) for key, entry in value.items()]
    return []


def _behaviour(function: Any) -> tuple[bytes | str | None, int]:
    """A product's bits, or what is wrong with it, and the interpreter's instructions."""
    A, B = calls.normal(np.random.default_rng(SEED), calls.WATCHED_N)
    product, fault = None, None
    with contextlib.suppress(calls.Timeout):
        product, fault = calls.attempted(function, A, B, Path())
    return fault if product is None else product.tobytes(), calls.count_instructions(function, A, B)[0] or 0


def _operands(make: Any) -> bool | None:
    """Whether make_operands(64), if there is one, gives the assignment's A and B: A first, from its seed."""
    wanted = calls.normal(np.random.default_rng(SEED), AGREEMENT_N)
    try:
        with calls.within(calls.STEP_SECONDS):
            given = tuple(make(AGREEMENT_N))[:2]
        return [(X.dtype, X.tobytes()) for X in given] == [(X.dtype, X.tobytes()) for X in wanted]
    except BaseException:
        return None


if __name__ == "__main__":
    main()
