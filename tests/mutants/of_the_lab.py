"""Bugs of the lab: its methods and what is made of their times."""

from mutant import room

LAB = "experiments/03-matmul-perf"

METHODS = room(
    f"{LAB}/bench.py",
    "test_methods.py test_survivors.py",
    (
        "naive swaps the indices of B",
        "for k in range(K):\n                C[i, j] += A[i, k] * B[k, j]",
        "for k in range(K):\n                C[i, j] += A[i, k] * B[j, k]",
    ),
    ("naive does not zero C", "    C[:, :] = 0\n    for i in range(M):", "    for i in range(M):"),
    ("naive leaves out the last step of the sum", "for k in range(K):", "for k in range(K - 1):"),
    (
        "naive adds up in float64",
        "for k in range(K):\n                C[i, j] += A[i, k] * B[k, j]",
        "C[i, j] = sum(float(A[i, k]) * float(B[k, j]) for k in range(K))",
    ),
    ("blocked does not zero C", "    C[:, :] = 0\n    for i0 in", "    for i0 in"),
    (
        "blocked overwrites what earlier blocks have added up",
        "for k in range(k0, min(k0 + block_size, K)):",
        "C[i, j] = 0\n                        for k in range(k0, min(k0 + block_size, K)):",
    ),
    (
        "blocked drops the last block if it is a smaller one",
        "for k0 in range(0, K, block_size):",
        "for k0 in range(0, K - K % block_size, block_size):",
    ),
    ("blocked bounds its columns by the rows", "min(j0 + block_size, N)", "min(j0 + block_size, M)"),
    ("blocked runs over the edge", "range(i0, min(i0 + block_size, M))", "range(i0, i0 + block_size)"),
    ("einsum multiplies by the transpose", '"ik,kj->ij", A, B, out=out', '"ik,jk->ij", A, B, out=out'),
    ("einsum makes an output of its own", "A, B, out=out)", "A, B)"),
    ("blocked is naive under another name", '"blocked": matmul_blocked', '"blocked": matmul_naive'),
    ("blocked_32 has blocks of 64", "block_size=32)", "block_size=64)"),
    ("A is drawn after B", "return A, B", "return B, A"),
    ("the seed is ignored", "default_rng(SEED)", "default_rng()"),
    ("B is A", "B = rng.standard_normal((n, n)).astype(np.float32)", "B = A"),
)

OPERANDS = room(
    f"{LAB}/operands.py",
    "test_methods.py test_survivors.py",
    ("M and N must be equal, rather than both K", "A.shape[1] != B.shape[0]", "A.shape[0] != B.shape[1]"),
    ("an output that overlaps B is let through", " or np.may_share_memory(out, B)", ""),
    ("float64 operands are let through", "if X.dtype != np.float32:", "if X.dtype.kind != 'f':"),
)

AGREEMENT = room(
    f"{LAB}/agreement.py",
    "test_agreement.py test_survivors.py",
    (
        "the bound is scaled by |A @ B|, where cancellation leaves nothing",
        "np.abs(A.astype(np.float64)) @ np.abs(B.astype(np.float64))",
        "np.abs(A.astype(np.float64) @ B.astype(np.float64))",
    ),
    ("the tolerance is ten times the lab's", "64, 1e-5, 1e-6", "64, 1e-4, 1e-6"),
    ("nan passes", "np.all(difference <= allowed)", "not np.any(difference > allowed)"),
    ("integers are tried on the square shape alone", "((N, N, N), (65, 33, 70))", "((N, N, N),)"),
    ("integers need only be close", "np.array_equal(product, A @ B)", "np.allclose(product, A @ B)"),
    ("a product in float64 passes for one in fp32", "product.dtype == np.float32 and ", ""),
    ("a method that is not exact passes", "if not exact:", "if exact is None:"),
)

REDUCTION = room(
    f"{LAB}/reduction.py",
    "test_reduction.py test_survivors.py",
    ("an extrapolation is not marked", "extrapolated=True,", "extrapolated=False,"),
    ("the smallest size measured is extrapolated from", "max(smaller, key=", "min(smaller, key="),
    (
        "extrapolated seconds are a thousand times too long",
        "extrapolated_seconds=flops / base.gflops.median / 1e9",
        "extrapolated_seconds=flops / base.gflops.median / 1e6",
    ),
    ("an extrapolated cell keeps its base's flops", "        flops=flops,\n", ""),
    (
        "the share goes through the sentinel's flops",
        "sentinel.own_rates_by_round(sentinel.bytes)",
        "sentinel.own_rates_by_round(sentinel.flops)",
    ),
    (
        "the share is multiplied by the peak",
        "1 / peak_per_byte.value, 1 / peak_per_byte.high, 1 / peak_per_byte.low",
        "peak_per_byte.value, peak_per_byte.low, peak_per_byte.high",
    ),
    ("a wide interval does not make a cell noisy", "noisy=wide or ", "noisy="),
    ("disturbed repetitions do not make a cell noisy", "noisy=wide or ", "noisy=wide and "),
    (
        "the roof is the median peak",
        "peak = roofline.peak.fp32_fma_gflops.best",
        "peak = roofline.peak.fp32_fma_gflops.median",
    ),
    ("DRAM is as fast as its slowest loop", "dram = max(b.gbs.best", "dram = min(b.gbs.best"),
    ("DRAM is the first level", 'if b.level == "DRAM")', 'if b.level == "L1")'),
    ("an unfinished run is called complete", '"complete" if complete else "partial"', '"complete"'),
    ("the projection's rate is that of the lookup", "flops / times[PROJECTION] / 1e9", "flops / times[ONE_HOT] / 1e9"),
)

COMPARING = room(
    f"{LAB}/comparing.py",
    "test_reduction.py test_comparing.py test_survivors.py",
    (
        "the speedup is upside down",
        "factor=matmul.gflops.median / naive.gflops.median",
        "factor=naive.gflops.median / matmul.gflops.median",
    ),
    (
        "the speedup's interval leaves out naive's",
        "low=matmul.gflops.low / naive.gflops.high",
        "low=matmul.gflops.low / naive.gflops.median",
    ),
    (
        "a speedup over an extrapolation is not marked",
        "extrapolated=naive.extrapolated or",
        "extrapolated=naive.extrapolated and",
    ),
    (
        "the measured speedup is an extrapolated one",
        "if c.n == n and not (measured_only and c.extrapolated)",
        "if c.n == n",
    ),
    ("the speedup is that of the smallest size", "for n in sorted(sizes, reverse=True):", "for n in sorted(sizes):"),
    (
        "a comparison is of b over a",
        "[of_b[r] for r in common], [of_a[r] for r in common]",
        "[of_a[r] for r in common], [of_b[r] for r in common]",
    ),
    ("the cube law is one of squares", "* (cell.n / base.n) ** 3", "* (cell.n / base.n) ** 2"),
    ("the cube law's error is upside down", "ratio=seconds_of(cell) / predicted", "ratio=predicted / seconds_of(cell)"),
    (
        "seconds are milliseconds",
        "return cell.flops / cell.gflops.median / 1e9",
        "return cell.flops / cell.gflops.median / 1e6",
    ),
)

SANITY = room(
    f"{LAB}/sanity.py",
    "test_reduction.py test_survivors.py",
    ("the alarm of an accidental vectorisation is at 1 GFLOPS", "VECTORISED_ABOVE = 0.1", "VECTORISED_ABOVE = 1.0"),
    ("the alarm of no BLAS is at 1 GFLOPS", "NO_BLAS_BELOW = 10.0", "NO_BLAS_BELOW = 1.0"),
    ("below and above are swapped", '"below" if rate < low else "above"', '"above" if rate < low else "below"'),
    ("blocked is not taken for interpreted", 'startswith(("naive", "blocked"))', 'startswith("naive")'),
)

EXPERIMENT = room(
    f"{LAB}/experiment.py",
    "test_experiment.py test_survivors.py",
    (
        "pure Python at 1024 is measured all the same",
        "and n >= EXTRAPOLATED_FROM_N and not self",
        "and n > EXTRAPOLATED_FROM_N and not self",
    ),
    ("what is timed is A @ A", "A, B, out=C)", "A, A, out=C)"),
    ("the vocabulary projection is of one token", "flops=2 * BATCH * TOKENS * WIDTH", "flops=2 * BATCH * WIDTH"),
    ("the one-hot vector picks another token", "one_hot[token] = 1", "one_hot[token - 1] = 1"),
    (
        "every method is measured once",
        "return Requirement(MIN_REPETITIONS, MIN_SECONDS)",
        "return MEASURE_ALL_REQUIREMENT",
    ),
)

FIGURE = room(
    f"{LAB}/perf_figure.py",
    "test_survivors.py test_lab_page.py",
    (
        "an extrapolated cell is drawn solid",
        'face = "white" if cell.extrapolated else',
        "face = colour if cell.extrapolated else",
    ),
    (
        "the line to an extrapolated cell is drawn solid",
        "dashed = left.extrapolated or",
        "dashed = left.extrapolated and",
    ),
    (
        "the memory ceiling is drawn at the peak",
        "attainable(compulsory_intensity(x), roof.peak_gflops, roof.dram_gbs)",
        "attainable(compulsory_intensity(x), roof.peak_gflops, roof.peak_gflops)",
    ),
    ("the axis of N is linear", 'axes.set(xscale="log", yscale="log"', 'axes.set(xscale="linear", yscale="log"'),
    (
        "error bars are upside down",
        "errors = [y - [cell.gflops.low",
        "errors = [y - [2 * cell.gflops.median - cell.gflops.high",
    ),
)

LAB_PAGE = room(
    f"{LAB}/page.md.j2",
    "test_survivors.py test_lab_page.py",
    (
        "an extrapolated cell of the page's table is not marked",
        '{{ c.gflops.median|flops }}{{ " †" if c.extrapolated }}',
        "{{ c.gflops.median|flops }}",
    ),
)

OF_THE_LAB = (
    *METHODS,
    *OPERANDS,
    *AGREEMENT,
    *REDUCTION,
    *COMPARING,
    *SANITY,
    *EXPERIMENT,
    *FIGURE,
    *LAB_PAGE,
)
