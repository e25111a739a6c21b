"""One thread before anything imports NumPy, as in a run; and no deadline that depends on how busy the machine is."""

import os

import hypothesis

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ[_name] = "1"

hypothesis.settings.register_profile("any-machine", deadline=None, derandomize=True)
hypothesis.settings.load_profile("any-machine")
