"""A rung of one's own: what is no product, or not one thread's, is refused by name; what is one is timed."""

import contextlib
import shutil
import subprocess
import sys

import pytest

from labkit.cli import main
from labkit.errors import USER_ERROR, UserError
from labkit.ladder import own

NUMPY = "import numpy as np\n"
REFUSED = {
    "wrong": ("def matmul(A, B):\n C = A @ B\n C[0, 0] += 1\n return C", "does not agree with A @ B"),
    "float64": ("def matmul(A, B): return A.astype(float) @ B", "returns float64"),
    "same_memory": (
        "rooms = {}\ndef matmul(A, B):\n"
        " room = rooms.setdefault((len(A), B.shape[1]), np.empty((len(A), B.shape[1]), np.float32))\n"
        " return np.matmul(A, B, out=room)",
        "the same memory for every product",
    ),
    "remembers": (
        "seen = {}\ndef matmul(A, B):\n key = A.ctypes.data, B.ctypes.data, A.shape, B.shape\n"
        " if key not in seen: seen[key] = A @ B, A, B\n return seen[key][0].copy()",
        "an older result",
    ),
    "overwrites": ("def matmul(A, B, out):\n np.matmul(A, B, out=out)\n A[0, 0] += 1", "writes into A or B"),
    "deeper": ("def matmul(A, B): return (A @ B)[None]", "whose shape is"),
    "nothing": ("def matmul(A, B, out): pass", "does not agree with A @ B"),
    "raises": ("def matmul(A, B): return A.product(B)", "raises AttributeError"),
    "unloadable": ("import no_such_module", "cannot be imported"),
    "nameless": ("def product(A, B): return A @ B", "has no function matmul"),
    "beyond": (
        "import ctypes\ndef matmul(A, B, out):\n np.matmul(A, B, out=out)\n"
        " ctypes.string_at(out.ctypes.data + out.nbytes, 1)",
        "outside A, B or C",
    ),
    "threads": (
        "import threading, time\ndef matmul(A, B, out):\n"
        " t = threading.Thread(target=lambda: (time.sleep(0.002), np.matmul(A, B, out=out)))\n t.start()\n t.join()",
        "runs several threads",
    ),
}
GOOD = {
    "returns": "def matmul(A, B): return A @ B",
    "writes": "def matmul(A, B, out):\n print('loud')\n np.matmul(A, B, out=out)",
    "slow": "def matmul(A, B, out):\n"
    " for i in range(len(A)):\n  for j in range(B.shape[1]):\n   out[i, j] = sum(a * b for a, b in zip(A[i], B[:, j]))",
}
C = """
void sgemm(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a, int lda, const float *b,
           int ldb, float beta, float *c, int ldc) {
  for (int i = 0; i < m; i++) for (int j = 0; j < n; j++) {
    float sum = 0;
    for (int p = 0; p < k; p++) sum += a[i * lda + p] * b[p * ldb + j];
    c[i * ldc + j] = sum;
  }
}
void beyond(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a, int lda, const float *b,
            int ldb, float beta, float *c, int ldc) {
  sgemm(order, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
  volatile float *next = c + m * ldc;
  *next = *next;
}
"""


def write(folder, name, code):
    path = folder / f"{name}.py"
    path.write_text(NUMPY + code)
    return str(path)


@contextlib.contextmanager
def started(*words):
    with contextlib.ExitStack() as ends:
        yield own.accepted(own.specs(words), ends)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_product_that_can_be_timed_is_refused_by_name(name, tmp_path):
    code, why = REFUSED[name]
    with pytest.raises(UserError, match=rf"^{name}\.py:matmul .*{why}"), started(write(tmp_path, name, code)):
        pass


def test_the_command_ends_with_status_2_and_one_line_before_it_measures(tmp_path, capsys, monkeypatch):
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        monkeypatch.setenv(variable, "1")
    monkeypatch.setattr("labkit.ladder.run.threads.check_effective_threads", lambda: None)
    words = ["--mine", write(tmp_path, "wrong", REFUSED["wrong"][0]), "--output", str(tmp_path / "out")]
    assert main(["ladder", *words]) == USER_ERROR
    said = capsys.readouterr()
    assert said.err.startswith("labkit: wrong.py:matmul does not agree")
    assert said.err.count("\n") == 1
    assert not (tmp_path / "out" / "results.json").exists()


def test_a_product_is_timed_whole_where_it_is_fast_and_in_part_where_it_is_not(tmp_path):
    with started(*(write(tmp_path, name, code) for name, code in GOOD.items())) as found:
        for apart in found:
            workload = apart.workload(256)
            assert (workload.flops == 2 * 256**3) == (apart.spec.name != "slow")
            wall, cpu = workload.time(2, None)
            assert wall > 0
            assert cpu > 0
        assert found[0].rung.code == GOOD["returns"]


@pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler")
def test_a_c_function_with_the_arguments_of_cblas_is_a_rung_and_one_that_writes_beyond_is_refused(tmp_path):
    (tmp_path / "mine.c").write_text(C)
    library = tmp_path / "libmine.so"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, tmp_path / "mine.c"], check=True)
    with started(f"{library}:sgemm") as (mine,):
        assert mine.workload(64).time(3, None)[0] > 0
    with pytest.raises(UserError, match=r"^libmine\.so:beyond .*outside"), started(f"{library}:beyond"):
        pass
    with pytest.raises(UserError, match=r"^libmine\.so:nowhere .*cannot be loaded"), started(f"{library}:nowhere"):
        pass


def test_a_file_that_is_none_and_a_name_that_is_taken_are_said(tmp_path):
    path = write(tmp_path, "mine", GOOD["returns"])
    for words in (["absent.py"], [f"{tmp_path}"], [path, path]):
        with pytest.raises(UserError, match="--mine"):
            own.specs(words)


def test_the_ladders_own_settings_of_numba_and_of_the_blas_do_not_reach_it(tmp_path, monkeypatch):
    """With its vectoriser off a Numba function of one's own would be another function."""
    monkeypatch.setenv("NUMBA_LOOP_VECTORIZE", "0")
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Nehalem")
    code = (
        "import os\nEXPECTED = [name for name in ('NUMBA_LOOP_VECTORIZE', 'OPENBLAS_CORETYPE') if name in os.environ]"
    )
    with started(write(tmp_path, "mine", f"{code}\n{GOOD['returns']}")) as (mine,):
        assert mine.facts["expected"] == []
        assert sys.modules.get("mine") is None
