"""Where the lab's code and its made-up records are, for the tests of the check: they run in the lab's environment."""

import os
import sys
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ[_name] = "1"

_REPOSITORY = Path(__file__).resolve().parents[1]
_EXPERIMENTS = _REPOSITORY / "experiments"
sys.path[:0] = map(
    str, (_REPOSITORY, _EXPERIMENTS / "03-matmul-perf", _EXPERIMENTS / "01-roofline", _REPOSITORY / "tests")
)
