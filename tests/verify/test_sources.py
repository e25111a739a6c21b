"""What functions do decides: honest sources pass in whatever style, others are refused for what is wrong with them."""

import re
from pathlib import Path

import handed_in
import pytest
import submitted_sources as sources

from labkit.verify import calls, functions, submission, worker
from labkit.verify.outcome import Check

WAIT_SECONDS = 0.05
SMALL_N, SMALL_WATCHED_N = 16, 8  # instead of 64 and 16: what is decided is the same, in a tenth of the time
# Honest sources of which one thing cannot be known.
UNKNOWN = {
    "no table": {functions.TIMED},
    "table, a dataclass of methods": {functions.TIMED},
    "operands, operands as a dictionary": {functions.OPERANDS},
    "operands, operands in a class": {functions.OPERANDS},
}


@pytest.fixture(autouse=True, scope="module")
def each_function_once():
    """Most sources differ in one function: the others are examined once."""
    examined, known = calls.examined, {}

    def once(name, function, folder, rng):
        code = getattr(function, "__code__", None)
        parts = (
            (code.co_code, code.co_names, repr(code.co_consts), repr(function.__defaults__)) if code else id(function)
        )
        key = (name, parts, str(rng.bit_generator.state), calls.AT_ONCE_SECONDS)
        known[key] = known[key] if key in known else examined(name, function, folder, rng)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calls, "examined", once)
        patch.setattr(calls, "AT_ONCE_SECONDS", 0.001)  # so soon even a BLAS is not done
        yield


def judged(folder: Path, bench: str, **others: str) -> dict[str, Check]:
    """The checks of a bench.py and of files beside it, in this process: starting one takes as long as the calls."""
    for name, text in {"bench": bench, **others}.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    *_, answers = worker.examine(folder.resolve(), seed=7)
    return {check.name: check for check in functions.judged(submission.read(folder), answers, None)}


def run(folder: Path) -> dict[str, Check]:
    """The checks as `labkit verify` makes them, in a process of its own."""
    return {check.name: check for check in functions.checks(submission.read(folder))}


@pytest.fixture
def small(monkeypatch):
    """Small sizes, and blocks to go with them; a function from a source written for 64."""
    for name, value in (("AGREEMENT_N", SMALL_N), ("BLOCK_SIZE", SMALL_N), ("WATCHED_N", SMALL_WATCHED_N)):
        monkeypatch.setattr(calls, name, value)
    return lambda text: re.sub(r"\b64\b", str(SMALL_N), text)


def test_there_are_enough_sources_to_tell():
    assert len(sources.HONEST) >= 120
    assert len(sources.REFUSED) >= 60


@pytest.mark.parametrize("style", sources.HONEST)
def test_an_honest_source_passes_in_whatever_style(style, tmp_path, small):
    checks = judged(tmp_path, small(sources.HONEST[style]))
    assert not [check for check in checks.values() if check.passed is False]
    unknown = {name for name, check in checks.items() if check.passed is None}
    assert unknown == UNKNOWN.get(style, set())


@pytest.mark.parametrize("what", sources.REFUSED)
def test_a_source_with_something_wrong_is_refused_for_that(what, tmp_path, monkeypatch, small):
    bench, name, *words = sources.REFUSED[what]
    if any("sooner" in word for word in words):
        monkeypatch.setattr(calls, "AT_ONCE_SECONDS", WAIT_SECONDS)
    if name.startswith("A4"):  # told by how many instructions they take
        monkeypatch.setattr(calls, "WATCHED_N", 2 * SMALL_WATCHED_N)
    checks = judged(tmp_path, small(bench))
    failed = [check for check in checks.values() if check.passed is False]
    assert [check for check in failed if check.name.startswith(name)], failed
    reason = next(check.reason for check in failed if check.name.startswith(name))
    assert all(word in reason for word in words), reason


def test_functions_in_a_file_beside_bench_are_found_and_its_imports_are_read(tmp_path):
    (tmp_path / "bench.py").write_text("from kernels import *\nimport kernels\n")
    (tmp_path / "kernels.py").write_text(sources.source(before="def later():\n    import torch"))
    checks = run(tmp_path)
    assert checks[functions.TRIPLE].passed is True
    assert "kernels.py, line 3, imports torch" in checks[functions.NUMPY].reason


def test_a_package_that_is_not_installed_here_is_unknown_and_not_held_against_anyone(tmp_path):
    checks = judged(tmp_path, sources.source(before="import plots_that_are_not_here"))
    assert checks[functions.IMPORT].passed is None
    assert "plots_that_are_not_here" in checks[functions.IMPORT].reason


def test_a_submission_stays_as_it_is_and_its_process_has_no_network(tmp_path):
    reach = (
        "import os, socket\n"
        "open('results.json', 'w').write('rewritten')\n"
        "open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'README.md'), 'w').write('rewritten')\n"
        "try:\n    socket.create_connection(('127.0.0.1', 9), 1)\nexcept OSError:\n    pass\n"
        "try:\n    os.kill(os.getppid(), 9)\nexcept OSError:\n    pass\n"
    )
    folder = handed_in.doctored(tmp_path / "a folder", bench=sources.source(before=reach))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    checks = run(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [check.name for check in checks.values() if check.passed is False] == [functions.NETWORK]


@pytest.mark.parametrize(
    ("bench", "word"),
    [
        ("import os\nos._exit(0)\n", "ends the process"),
        ("import os\nos.kill(os.getpid(), 11)\n", "SIGSEGV"),
        ("x = bytes(1 << 40)\n", "MemoryError"),
        ("while True:\n    try:\n        while True: pass\n    except BaseException: pass\n", "did not end within 5 s"),
    ],
)
def test_an_import_that_ends_the_process_or_never_ends_is_said_to(bench, word, tmp_path, monkeypatch):
    monkeypatch.setattr(functions, "LIMIT_SECONDS", 5.0 if "while" in bench else 60.0)
    (tmp_path / "bench.py").write_text(bench)
    checks = run(tmp_path)
    assert checks[functions.IMPORT].passed is False
    assert word in checks[functions.IMPORT].reason
    assert all(check.passed is None for name, check in checks.items() if name != functions.IMPORT)


def test_a_crash_is_named_and_what_was_known_before_it_stays(tmp_path):
    crash = sources.BLOCKED.replace("    M, K", "    import os; os.kill(os.getpid(), 9)\n    M, K", 1)
    (tmp_path / "bench.py").write_text(sources.source(blocked=crash))
    checks = run(tmp_path)
    assert checks[functions.TRIPLE].passed is True
    assert "matmul_blocked ended the process by SIGKILL" in checks[functions.AGREE].reason
    assert checks[functions.BLOCKS].passed is None


def test_a_function_that_never_ends_is_called_once_and_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(calls, "STEP_SECONDS", 0.2)
    forever = sources.NAIVE.replace("    M, K", "    print('called', end=' ')\n    while True: pass\n    M, K")
    checks = judged(tmp_path, sources.source(naive=forever))
    assert capsys.readouterr().out == "called "
    assert "matmul_naive it did not end within 0.2 s" in checks[functions.AGREE].reason
    assert checks[functions.TRIPLE].passed is None


def test_this_repositorys_own_bench_passes(tmp_path):
    own = Path(__file__).parents[2] / "experiments" / "03-matmul-perf" / "bench.py"
    checks = judged(tmp_path, own.read_text("utf-8"))
    assert not [check for check in checks.values() if not check.passed]


def test_fresh_shapes_are_others_each_time(tmp_path):
    """A function that is wrong at odd sizes is found by some seeds and not by others."""
    wrong = sources.NAIVE.replace("    C =", "    if M % 2: return np.ones((M, N), np.float32)\n    C =")
    (tmp_path / "bench.py").write_text(sources.source(naive=wrong))
    found = set()
    for seed in range(6):
        after_naive = (a for a in worker.examine(tmp_path.resolve(), seed) if a["functions"])
        found.add(bool(next(after_naive)["functions"]["matmul_naive"]["faults"]))
    assert found == {True, False}
