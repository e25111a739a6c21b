"""No read and no write outside the operands: they lie against pages that may not be touched."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from products import TILES

PROGRAM = Path(__file__).resolve().parents[1] / "guarded.py"
NAMES = ["the host's", *TILES]
pytestmark = [
    pytest.mark.generated,
    pytest.mark.skipif(os.name != "posix", reason="mprotect is asked for by its name"),
]


def run(*names):
    return subprocess.run([sys.executable, str(PROGRAM), *names], capture_output=True, text=True, check=False)


def test_a_read_past_the_end_of_a_guarded_array_ends_the_process():
    said = run("fault")
    assert said.returncode < 0, said
    assert said.stdout == ""


def test_a_product_touches_nothing_outside_its_operands():
    said = run(*NAMES)
    assert (said.returncode, said.stdout) == (0, "".join(f"done {name}\n" for name in NAMES)), said.stderr[-2000:]
