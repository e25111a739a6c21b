"""One thread: asked of every BLAS before NumPy loads, and read back from the one that was loaded."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from labkit.errors import UserError
from labkit.machine.blas import loaded_blas
from labkit.machine.process import start_again

# What the assignment names, and what macOS's Accelerate reads.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
ACCELERATE_VARIABLE = "VECLIB_MAXIMUM_THREADS"
# By library, the variables that set its number of threads; it obeys the first one that is set.
VARIABLES_OF = {
    "openblas": ("OPENBLAS_NUM_THREADS", "OPENBLAS_DEFAULT_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS"),
    "mkl": ("MKL_NUM_THREADS", "OMP_NUM_THREADS"),
    "blis": ("BLIS_NUM_THREADS", "OMP_NUM_THREADS"),
    "accelerate": (ACCELERATE_VARIABLE,),
}
ALL_THREAD_VARIABLES = tuple(dict.fromkeys(name for names in VARIABLES_OF.values() for name in names))


def require_one_thread(say: TextIO) -> None:
    """Go on if every thread variable is 1; otherwise say so and start the same command again with them set.

    A BLAS reads these variables once, when it is loaded, so this must come before `import numpy`.
    """
    settings = dict.fromkeys((*THREAD_VARIABLES, ACCELERATE_VARIABLE), "1")
    required = settings if sys.platform == "darwin" else THREAD_VARIABLES
    missing = " ".join(f"{name}=1" for name in required if os.environ.get(name) != "1")
    if missing:
        print(f"One thread is measured. Started again with\n{missing}", file=say, flush=True)
        start_again({**os.environ, **settings})


def check_effective_threads() -> None:
    """A UserError if the BLAS is known to use more than one thread."""
    threads = loaded_blas().threads
    if threads not in (None, 1):  # None: it does not tell, as Accelerate
        raise UserError(
            f"the BLAS uses {threads} threads although 1 was asked for: "
            "look for code that sets threads at start-up (sitecustomize, a wrapper script)"
        )
