"""Bugs of the roof: its loops, what they count, and what is made of their rates."""

from mutant import room

ROOF = "experiments/01-roofline"

LOOPS = room(
    f"{ROOF}/loops.py",
    "test_loops.py",
    ("the peak's loop has no multiply-add", "            elif fma:\n", "            elif fma and in_addend:\n"),
    (
        "the last accumulator is not computed",
        "enumerate(_mixed(chains, adds)):\n",
        "enumerate(_mixed(chains, adds)):\n"
        "            if a and a == chains - 1:\n"
        "                lines.append(f'  %a{a}.{u + 1} = bitcast {v} %a{a}.{u} to {v}')\n"
        "                continue\n",
    ),
    ("a load is counted twice", '"load": (1, 0)', '"load": (2, 0)'),
    ("a triad counts two arrays", '"triad": (2, 1)', '"triad": (1, 1)'),
    ("a stream skips every other register", "{u * lanes}", "{2 * u * lanes}"),
    ("the clock's additions are no chain", '"%before" if k == 1 else f"%x{k - 2}"', '"%before"'),
)

PROBES = room(
    f"{ROOF}/probes.py",
    "test_probes.py",
    (
        "a multiply-add of the peak counts as one flop",
        "UNROLL * lanes * (2 * chains + adds)",
        "UNROLL * lanes * (chains + adds)",
    ),
    ("the peak's lanes are not counted", "UNROLL * lanes * (2 * chains + adds)", "UNROLL * (2 * chains + adds)"),
    (
        "an accumulator fewer is compiled than counted",
        "ir = peak_ir(lanes, chains, fma,",
        "ir = peak_ir(lanes, max(1, chains - 1), fma,",
    ),
    ("the bytes of a window are those of one array", "bytes=4 * elements * len(arrays))", "bytes=4 * elements)"),
    ("passes over a small set are not counted", "bytes=total * passes)", "bytes=total)"),
    (
        "DRAM is read through one window of the cache's size",
        "self._next = (self._next + 1) % len(self._starts)",
        "self._next = 0",
    ),
    (
        "a set is larger than was asked for",
        "share = min(working_set, memory.nbytes - SPARE_BYTES) // count",
        "share = min(working_set, memory.nbytes - SPARE_BYTES)",
    ),
    (
        "what was compiled is not checked",
        "check_loop(emit_assembly(ir, target), target, lanes, chains * UNROLL, fma, adds * UNROLL, ticks)",
        "[]",
    ),
)

CODEGEN = room(
    f"{ROOF}/codegen.py",
    "test_codegen.py",
    ("a loop with more arithmetic than meant is let through", "if found != count:", "if found < count:"),
    ("a spilled accumulator is let through", "if any(_STACK.search(line) for line in body):", "if not body:"),
    ("AVX-512 is taken for eight lanes", '"AVX-512", 16, 32', '"AVX-512", 8, 32'),
)

LEVELS = room(
    f"{ROOF}/levels.py",
    "test_levels.py",
    (
        "a working set is as large as its cache",
        "OWN_PORTION, SHARED_PORTION, OWN_LEVELS = 1 / 2,",
        "OWN_PORTION, SHARED_PORTION, OWN_LEVELS = 1,",
    ),
    (
        "a set lives in a level that is too small for it",
        "if working_set <= cache.bytes and",
        "if working_set >= cache.bytes and",
    ),
    ("DRAM is measured over the last cache", "DRAM_TIMES_LAST_LEVEL = 4", "DRAM_TIMES_LAST_LEVEL = 1"),
    ("a dip is taken for a level", "flat = [max(best[i:]) for i in range(len(best))]", "flat = best"),
)

ROOF_REDUCTION = room(
    f"{ROOF}/roof_reduction.py",
    "test_roof_reduction.py",
    ("flop a cycle are those at another clock", "core.loaded_clock or core.clock", "core.clock"),
    ("a step is one flop a lane", "step = 2 * chosen.lanes", "step = chosen.lanes"),
    (
        "the ridge of a level is upside down",
        "peak.fp32_fma_gflops.best / gbs, gbs=gbs",
        "gbs / peak.fp32_fma_gflops.best, gbs=gbs",
    ),
    (
        "a level is as fast as its slowest loop",
        "max(x.gbs.best for x in bandwidth",
        "min(x.gbs.best for x in bandwidth",
    ),
    ("a boosted clock is called throttled", 'return "boosted"', 'return "throttled"'),
    (
        "the sentinel is counted in flops",
        "sentinel.own_rates_by_round(sentinel.bytes)",
        "sentinel.own_rates_by_round(sentinel.flops)",
    ),
)

PLACEMENT = room(
    f"{ROOF}/placement.py",
    "test_placement.py",
    (
        "a dot product reads one vector",
        "intensity = w.flops / (2 * FLOAT * w.n)",
        "intensity = w.flops / (FLOAT * w.n)",
    ),
    ("a kernel above its roof is no fault", "if k.low > 1 and", "if k.low > 2 and"),
    ("the roof of another machine is placed under", "!= identity or not results.cell(", "is None or not results.cell("),
)

INSTRUMENT = room(
    f"{ROOF}/instrument.py",
    "test_instrument.py",
    ("rounds of the roof are not permuted", "order = [brief[i] for i in rng.permutation(len(brief))]", "order = brief"),
    (
        "what was driven out of its cache is timed cold",
        "if id(workload) not in uncached:",
        "if id(workload) in uncached:",
    ),
)

SATURATION = room(
    f"{ROOF}/saturation.py",
    "test_saturation.py",
    ("the peak is measured with the fewest chains", "return max(as_good, key=", "return min(as_good, key="),
    ("the core is full from the most chains on", "return min(s.accumulators for", "return max(s.accumulators for"),
)

OF_THE_ROOF = (
    *LOOPS,
    *PROBES,
    *CODEGEN,
    *LEVELS,
    *ROOF_REDUCTION,
    *PLACEMENT,
    *INSTRUMENT,
    *SATURATION,
)
