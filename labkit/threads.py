"""One thread: asked of every BLAS before NumPy loads, and read back from the one that was loaded."""

import os
import sys
from collections.abc import MutableMapping
from typing import TextIO

from labkit.errors import LabError

# What the lab names, and what macOS's Accelerate reads.
LAB_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
ACCELERATE_VARIABLE = "VECLIB_MAXIMUM_THREADS"


def required_variables(platform: str = sys.platform) -> tuple[str, ...]:
    """The variables that must be "1" before NumPy loads, on this platform."""
    return (*LAB_VARIABLES, ACCELERATE_VARIABLE) if platform == "darwin" else LAB_VARIABLES


def require_one_thread(say: TextIO, environment: MutableMapping[str, str] = os.environ) -> None:
    """Go on if every thread variable is 1; otherwise say so and start the same command again with them set.

    A BLAS reads these variables once, when it is loaded, so this must come before `import numpy`.
    """
    missing = [name for name in required_variables() if environment.get(name) != "1"]
    if not missing:
        return
    settings = dict.fromkeys((*LAB_VARIABLES, ACCELERATE_VARIABLE), "1")
    said = " ".join(f"{name}=1" for name in missing)
    print(f"One thread is measured: started again with {said}", file=say, flush=True)
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**environment, **settings})


def effective_threads() -> int | None:
    """How many threads the loaded BLAS will use; None where it does not say (Accelerate)."""
    from threadpoolctl import threadpool_info

    counts = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] in ("blas", "openmp")]
    return max(counts) if counts else None


def check_effective_threads() -> int | None:
    """The effective thread count, or a LabError if it is known and not 1."""
    threads = effective_threads()
    if threads is not None and threads != 1:
        raise LabError(
            f"the BLAS uses {threads} threads although 1 was asked for: "
            "look for code that sets threads at start-up (sitecustomize, a wrapper script)"
        )
    return threads
