"""The quick protocol under each Python that is found: `labkit repeat --pythons`, or by hand

nox -s quick-3.12 -- --output DIR
"""

import nox

nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = False
PYTHONS = ["3.11", "3.12", "3.13", "3.14", "3.15"]


@nox.session(python=PYTHONS)
def quick(session: nox.Session) -> None:
    """Run bench.py --quick in an environment of this Python; what follows `--` are options of bench.py."""
    session.install("-c", "constraints.txt", "-e", ".[bench]")
    command = ("python", "experiments/03-matmul-perf/bench.py", "--quick", *session.posargs)
    session.run(*command, env={"PYTHONPATH": None})  # which would bring the packages of another Python
