"""Checkouts to run the programs in: one where nothing is measured yet, and one that knows its roof."""

import json
import shutil

import pytest
from checkouts import LEFT_BEHIND, REPOSITORY, Checkout

# A third of the roof's rounds is roof enough here.
ROUNDS, FEWER_ROUNDS = "ROUNDS_SECONDS, LEAST_ROUNDS = 12.0, 40", "ROUNDS_SECONDS, LEAST_ROUNDS = 4.0, 20"


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout in which nothing has been measured yet, with another machine's roof in it."""
    root = tmp_path_factory.mktemp("end to end") / "a check out"
    shutil.copytree(REPOSITORY, root, ignore=LEFT_BEHIND)
    instrument = root / "experiments" / "01-roofline" / "instrument.py"
    text = instrument.read_text()
    assert text.count(ROUNDS) == 1
    instrument.write_text(text.replace(ROUNDS, FEWER_ROUNDS))
    foreign = root / "experiments" / "01-roofline" / "kernels.json"
    if foreign.exists():
        record = json.loads(foreign.read_bytes())
        record["machine"]["cpu"] = "Another CPU"
        foreign.write_text(json.dumps(record))
    return Checkout(root)


@pytest.fixture(scope="session")
def first_run(bare: Checkout, tmp_path_factory: pytest.TempPathFactory):
    """The first run in it: from another folder, without thread variables, into a folder with a space."""
    output = bare.root / "my results"
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    done = bare.run(
        "--sizes", "8", "--output", output, cwd=elsewhere,
        OMP_NUM_THREADS="", OPENBLAS_NUM_THREADS="4", MKL_NUM_THREADS="",
    )  # fmt: skip
    return done, output


@pytest.fixture(scope="session")
def checkout(bare: Checkout, first_run) -> Checkout:
    """A checkout that has measured its roof, so that runs in it are short."""
    done, _ = first_run
    assert done.returncode == 0, done.stderr
    return bare
