"""The package as a user of macOS or Windows runs it, on Linux with all taken away that those systems lack."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import recorded
import small_checkout

PATIENCE_SECONDS = 400
# Commands of macOS, which print what a recorded machine has.
SYSCTL = """#!/bin/sh
[ "$1" = -n ] && exec sed -n "s/^$2: //p" "{}"
grep "^$1: " "{}"
"""
SHOWN = '#!/bin/sh\ncat "{}"\n'


class Simulated:
    """A checkout in which everything is small, on this system."""

    def __init__(self, system: str, root: Path) -> None:
        self.system, self.root = system, small_checkout.make(root / "a check out")
        commands = root / "commands"
        commands.mkdir()
        if system == "darwin":
            recorded.grow(root, recorded.files("apple-m1-pro"))
            for name, script in (("sysctl", SYSCTL), ("pmset", SHOWN)):
                (commands / name).write_text(script.replace("{}", str(root / name)))
                (commands / name).chmod(0o755)
        site = Path(__file__).parent / "site"
        known = {name: text for name, text in os.environ.items() if "NUM_THREADS" not in name}
        paths = {"PATH": f"{commands}:{known['PATH']}", "PYTHONPATH": f"{site}:{self.root}"}
        self.environment = {**known, **paths, "SIMULATED": system}

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [self.root / ".venv/bin/python", *words],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done


@pytest.fixture(scope="module", params=["darwin", "win32"])
def simulated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    return Simulated(request.param, tmp_path_factory.mktemp(request.param))


def test_a_run_is_measured_recorded_and_drawn_and_nothing_that_is_unknown_is_called_a_fault(simulated):
    done = simulated.run("experiments/03-matmul-perf/bench.py", "--sizes", "8", "--methods", "naive,matmul", "--quick")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Started again with" in done.stdout
    folder = simulated.root / "experiments/03-matmul-perf"
    results, manifest = (json.loads((folder / name).read_text()) for name in ("results.json", "manifest.json"))
    assert {cell["method"] for cell in results["cells"]} == {"naive", "matmul"}
    notes = " ".join(note for cell in results["cells"] for note in cell["notes"])
    hardware = manifest["hardware"]
    if simulated.system == "win32":
        assert "preempted" not in notes  # processor time is unknown there
        assert hardware["governor"] is hardware["memory_bytes"] is hardware["power"] is None
    else:
        assert hardware["cpu"] == "Apple M1 Pro"
        assert hardware["power"] == "battery"
        assert [cache["bytes"] for cache in hardware["caches"]] == [128 << 10, 12 << 20]
    for name in ("cpu", "governor", "power", "memory_bytes", "virtualized"):
        assert (hardware[name] is None) == (name in hardware["reasons"]), name


def test_the_doctor_examines_numpy_and_says_what_the_system_does_not_tell(simulated):
    done = simulated.run("-m", "labkit", "doctor", "--json")
    assert done.returncode in (0, 1), done.stderr
    by_load = {"speed", "double", "threads", "power", "core", "load"}
    assert {found["check"] for found in json.loads(done.stdout)["findings"]} <= by_load


def test_a_submission_is_verified_and_what_it_started_is_ended(simulated):
    small_checkout.put_results(simulated.root, ["submissions/a", "submissions/b"])
    done = simulated.run("-m", "labkit", "verify", "submissions/a", "submissions/b", "--json")
    assert done.returncode in (0, 1), done.stderr
    for result in json.loads(done.stdout)["results"]:
        checks = {check["name"][:2]: check["passed"] for check in result["checks"]}
        assert [checks[name] for name in ("F2", "A1", "A2", "A3", "A7", "G2")] == [True] * 6
