"""Where the code under test lives, and a record to draw and render from."""

import os
import sys
from pathlib import Path

# One thread before anything here imports NumPy, as in a run.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ[_name] = "1"

REPOSITORY = Path(__file__).resolve().parents[1]
LAB = REPOSITORY / "experiments" / "03-matmul-perf"
ROOFLINE = REPOSITORY / "experiments" / "01-roofline"
sys.path[:0] = [str(REPOSITORY), str(LAB), str(ROOFLINE), str(Path(__file__).parent)]
