"""Facts of a healthy NumPy on a quiet machine, and of one with a stray core type, for the doctor's tests."""

from dataclasses import replace

from labkit.doctor.facts import Facts, Measured, Threads
from labkit.machine.blas import Blas

AVX2 = frozenset({"sse2", "avx", "avx2", "fma"})
AVX512 = AVX2 | {"avx512f", "avx512bw", "avx512dq", "avx512vl"}


def openblas(kernel, threads=2):
    return Blas("openblas", "0.3.31", kernel, threads)


SOUND = Facts(
    blas=openblas("SkylakeX"),
    environment={},
    flags=AVX512,
    cpus=2,
    quota=None,
    governor=("performance", None),
    power=("AC", None),
    load=0.1,
    nominal_ghz=(2.6, "the CPU's name"),
    online=2,
    physical=2,
    python="3.13.0",
    numpy="2.3.0",
    threading="pthreads",
)
STRAY = replace(SOUND, blas=openblas("Katmai"), environment={"OPENBLAS_CORETYPE": "Prescott"})
FAST = Measured(
    n=1024,
    gflops=100.0,
    double_gflops=50.0,
    peak_gflops=120.0,
    clock_ghz=3.7,
    steal=0.0,
    busy=1.0,
    products={"tried": 200, "wrong": []},
    threads=Threads(1024, large=1.9, small=1.0),
    core={"seconds": 5.0, "readings": 500, "contended": 0.0, "now": 0.0, "speeds": {}},
)
