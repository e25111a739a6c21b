"""No read and no write outside the operands: they lie against pages that may not be touched."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from products import LADDER, TILES

HERE = Path(__file__).resolve().parent
pytestmark = pytest.mark.skipif(os.name != "posix", reason="mprotect is asked for by its name")


def run(*names):
    rooms = [LADDER, LADDER.parent / "01-roofline", LADDER.parents[1], HERE]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, rooms))}
    command = [sys.executable, str(HERE / "guarded.py"), *names]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_a_read_past_the_end_of_a_guarded_array_ends_the_process():
    said = run("fault")
    assert said.returncode < 0, said
    assert said.stdout == ""


@pytest.mark.parametrize("name", ["the host's", *TILES])
def test_a_product_touches_nothing_outside_its_operands(name):
    said = run(name)
    assert (said.returncode, said.stdout, said.stderr) == (0, f"done {name}\n", "")
