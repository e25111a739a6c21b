"""Bugs of what the experiments share: how a number is taken, reduced, kept and written."""

from mutant import room

ROOF_MODEL = room(
    "labkit/roof.py",
    "test_roof.py test_survivors.py",
    ("flops grow with N^2", "return 2 * n**3\n", "return 2 * n**2\n"),
    ("a multiply-add counts as one flop", "return 2 * n**3\n", "return n**3\n"),
    ("writing C is no traffic", "(3 * BYTES_PER_ELEMENT", "(2 * BYTES_PER_ELEMENT"),
    ("fp32 takes eight bytes", "BYTES_PER_ELEMENT = 4", "BYTES_PER_ELEMENT = 8"),
    ("the ridge is upside down", "return peak_gflops / gbs", "return gbs / peak_gflops"),
    ("N* is off by the factor 6", "return 6 * peak_gflops / gbs", "return peak_gflops / gbs"),
    (
        "the roof is the higher of its two limits",
        "min(peak_gflops, intensity * gbs)",
        "max(peak_gflops, intensity * gbs)",
    ),
)

SAMPLING = room(
    "labkit/sampling.py",
    "test_sampling.py test_survivors.py",
    (
        "the warm-up is kept as a repetition",
        "workload.estimate = max(wall, clock.resolution)",
        "workload.repetitions.append(Repetition(wall, 1, 1.0, 0))\n    workload.estimate = max(wall, clock.resolution)",
    ),
    ("a repetition is not divided by its calls", "Repetition(wall / workload.calls,", "Repetition(wall,"),
    ("CPU over wall time is upside down", "cpu / wall, round_", "wall / cpu if cpu else 0.0, round_"),
    ("every repetition is of round 0", "cpu / wall, round_", "cpu / wall, 0"),
    ("calibration believes its first reading", "CALIBRATION_PASSES = 2", "CALIBRATION_PASSES = 1"),
    ("a repetition may be ten ticks of the clock", "CLOCK_RESOLUTIONS = 1000", "CLOCK_RESOLUTIONS = 10"),
    ("calibration grows without bound after a fast reading", "min(10 * calls, round(wanted))", "round(wanted)"),
    (
        "the CPU clock is read within the wall time",
        "cpu = clock.cpu()\n    start = clock.wall()",
        "start = clock.wall()\n    cpu = clock.cpu()",
    ),
    ("GFLOPS are MFLOPS", "return [amount / r.seconds / 1e9", "return [amount / r.seconds / 1e6"),
    ("times are in ms", "return time.perf_counter()", "return 1e3 * time.perf_counter()"),
    ("CPU time is that of one thread", "return time.process_time()", "return time.thread_time()"),
    ("CPU time is wall time", "return time.process_time()", "return time.perf_counter()"),
    ("the sentinel counts one vector", "bytes=2 * SENTINEL_ELEMENTS", "bytes=SENTINEL_ELEMENTS"),
    (
        "a second thread makes a call longer",
        "self.seconds * min(1.0, self.cpu_over_wall)",
        "self.seconds * self.cpu_over_wall",
    ),
    (
        "time that others took of the core counts as the call's",
        "self.seconds * min(1.0, self.cpu_over_wall)",
        "self.seconds",
    ),
    (
        "the sentinel is in float64",
        "SENTINEL_ELEMENTS, dtype=np.float32)\n    y[:]",
        "SENTINEL_ELEMENTS)\n    x = x.astype(float)\n    y[:]",
    ),
)

STATISTICS = room(
    "labkit/statistics.py",
    "test_statistics.py test_comparing.py test_survivors.py",
    (
        "a mean is called a median",
        "return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2",
        "return sum(ordered) / len(ordered)",
    ),
    (
        "the median of an even number is the upper of two",
        "(ordered[middle - 1] + ordered[middle]) / 2",
        "ordered[middle]",
    ),
    (
        "an interval is claimed from 3 samples",
        'return ordered[0], ordered[-1], "range"',
        'return ordered[0], ordered[-1], "ci95"',
    ),
    ("the least for an interval is 3 samples", "FEWEST_FOR_INTERVAL = 6", "FEWEST_FOR_INTERVAL = 3"),
    ("the rank is off by one", "ordered[rank - 1], ordered[-rank]", "ordered[rank], ordered[-rank - 1]"),
    ("the interval leaves out one tail only", "1 - 2 * tail < CONFIDENCE", "1 - tail < CONFIDENCE"),
    ("the 10th percentile is called the 90th", "UPPER_PERCENTILE = 90.0", "UPPER_PERCENTILE = 10.0"),
    ("the best is the lowest rate", "max(rates), percentile(", "min(rates), percentile("),
    (
        "a paired ratio is one of sorted samples",
        "zip(numerators, denominators, strict",
        "zip(sorted(numerators), sorted(denominators), strict",
    ),
    ("a ratio is upside down", "math.log(a / b)", "math.log(b / a)"),
    ("faster is called slower", 'return "faster"', 'return "slower"'),
    ("slower is called faster", 'return "slower" if', 'return "faster" if'),
    ("a difference within the floor is resolved", "if ratio.low > 1 + floor:", "if ratio.low > 1:"),
    (
        "a verdict is given on a mere range",
        'if ratio.interval == "range":\n        return',
        "if ratio.pairs == 0:\n        return",
    ),
    (
        "the fastest is a maximum",
        "FASTEST_PORTION, FASTEST_FEWEST = 0.01, 3",
        "FASTEST_PORTION, FASTEST_FEWEST = 0.0, 1",
    ),
    ("rounds that were seen together are resampled apart", "picks_b = picks_a if together else rng", "picks_b = rng"),
    ("a 95 % interval covers 90 %", "margin = 50 * (1 - CONFIDENCE)", "margin = 100 * (1 - CONFIDENCE)"),
    ("errors of a product are as large as both together", "up = math.hypot(", "up = 2 * math.hypot("),
)

SCHEDULE = room(
    "labkit/schedule.py",
    "test_schedule.py",
    ("rounds are not permuted", "tuple(short[i] for i in rng.permutation(len(short)))", "tuple(short)"),
    (
        "one of a pair always goes first",
        "between[position].extend(group[i] for i in rng.permutation(len(group)))",
        "between[position].extend(group)",
    ),
    ("long visits all come at the beginning", "int((visit + 0.5) * rounds / visits)", "visit"),
    ("repetitions or seconds are enough", "repetitions >= self.repetitions and", "repetitions >= self.repetitions or"),
    ("one repetition is enough", "MIN_REPETITIONS = FEWEST_FOR_INTERVAL", "MIN_REPETITIONS = 1"),
    ("a tenth of a second is enough", "MIN_SECONDS = 1.0", "MIN_SECONDS = 0.1"),
    ("long cells stand in the rounds", "SHORT_CALL_SECONDS = 0.050", "SHORT_CALL_SECONDS = 5.0"),
    ("the cost of a product grows with N^2", "* (n / nearest) ** 3", "* (n / nearest) ** 2"),
    ("dear cells are visited without the sentinel", "Round(tuple(beside), ", "Round((), "),
    ("a warm-up costs nothing", "calls = 1 + requirement.remaining", "calls = requirement.remaining"),
)

SESSION = room(
    "labkit/session.py",
    "test_session.py test_survivors.py",
    (
        "a repetition is journalled before it is taken",
        "def _take(self, cell: Cell) -> None:\n",
        "def _take(self, cell: Cell) -> None:\n"
        "        w, now = cell.workload, self._at\n"
        "        self._record(Taken(now, w.method, w.n, self.round, w.calls, cell.call_seconds, 1.0, 0, 0, None))\n"
        "        take(w, self.clock, self.round)\n"
        "        return\n",
    ),
    (
        "resuming counts every repetition twice",
        "cell.workload.repetitions.append(repetition)",
        "cell.workload.repetitions += 2 * [repetition]",
    ),
    ("a round cut short goes on under its old number", "entry.round + 1)", "entry.round)"),
    ("only the last warm-up counts as a call", "self.warm_up_seconds += seconds", "self.warm_up_seconds = seconds"),
    (
        "the time of earlier sessions is forgotten",
        "return self.earlier_seconds + self.clock.wall()",
        "return self.clock.wall()",
    ),
    (
        "a repetition more is taken of a pair that was cut apart",
        "if cell.remaining:\n                    self._announce(cell)",
        "if cell:\n                    self._announce(cell)",
    ),
    (
        "one stalled first call makes a short cell a long one",
        "if schedule.is_short(cell.call_seconds) else",
        "if schedule.is_short(seconds) else",
    ),
    ("a cell is warmed up each time it is visited again", "cell.warm = True\n", "cell.warm = False\n"),
    ("the first pass leaves out a method whose cheapest cell is dear", "or method not in seen or", "or"),
)

STORE = room(
    "labkit/store.py",
    "test_store.py",
    ("a torn last line is kept", 'whole = raw[: raw.rfind(b"\\n") + 1]', "whole = raw"),
    (
        "a damaged line is passed over",
        "enumerate(whole.splitlines(), 1):\n",
        'enumerate(whole.splitlines(), 1):\n            if not line.startswith(b"{"):\n                continue\n',
    ),
    (
        "another machine's journal is gone on with",
        "if lines and lines[0] != dict(header):",
        "if lines and not lines[0]:",
    ),
    ("the journal reaches the file when it is closed", 'open(path, "ab", buffering=0)', 'open(path, "ab")'),
    ("a record is written in place", "os.replace(temporary, path)", "shutil.copyfile(temporary, path)"),
    (
        "a record takes its name before it is on the disk",
        "os.fsync(file.fileno())\n            os.chmod",
        "pass\n            os.chmod",
    ),
    (
        "a set that was cut short is thrown away",
        "if (stage / _INDEX).exists():\n            _put_in_place(stage, output)\n",
        "",
    ),
    ("two runs write into one folder", "lock.acquire(timeout=wait_seconds)", "pass"),
    ("a finished run is gone on with", "self.path.unlink(missing_ok=True)", "pass"),
    ("a disk without room is found at the end", "spare.write(bytes(size))", "spare.write(b'')"),
)

CODEC = room(
    "labkit/codec.py",
    "test_codec.py",
    ("GFLOPS are not held to the seconds", "rel_tol=1e-9):", "rel_tol=1.0):"),
    ("any number of flops is accepted", "if cell.flops != 2 * cell.n**3:", "if cell.flops < 0:"),
    (
        "a measured cell may be without repetitions",
        "cell.extrapolated != (not cell.seconds_per_call)",
        "cell.extrapolated and cell.seconds_per_call",
    ),
    ("a time may be negative", "if any(not (s > 0 and math.isfinite(s)) for", "if any(s == 0 for"),
    (
        "records are checked on reading alone",
        "_check(msgspec.json.decode(raw, type=type(record)))",
        "msgspec.json.decode(raw, type=type(record))",
    ),
)

PAGES = room(
    "labkit/pages.py",
    "test_pages.py test_survivors.py",
    ("milliseconds are called microseconds", '(1e-3, "ms"), (1e-6, "µs")', '(1e-3, "µs"), (1e-6, "ms")'),
    ("a duration of minutes is one of hours", "if whole < 3600:", "if whole < 360:"),
    ("a share of 0.5 is half a per cent", "significant(100 * share, digits)", "significant(share, digits)"),
    ("both ends of an interval have units of their own", "if rate.median >= pair[0]", "if rate.low >= pair[0]"),
    ("KiB are of 1000 bytes", '(1 << 10, "KiB")', '(1000, "KiB")'),
)

CACHES = room(
    "labkit/caches.py",
    "machines/test_caches.py",
    ("a kilobyte of the kernel's is 1000 bytes", "int(parts[1]) << {", "int(parts[1]) * 1000 >> 10 << {"),
    ("the instruction cache counts as data", '!= "Instruction"]', "is not None]"),
)

CLOCKS = room(
    "labkit/clocks.py",
    "machines/test_clocks.py",
    ("bogomips are taken for the clock", '("bogomips", 2)', '("bogomips", 1)'),
    ("a base frequency in kHz is taken for MHz", 'cpufreq/base_frequency"), 1e6)', 'cpufreq/base_frequency"), 1e3)'),
)

THREADS = room(
    "labkit/threads.py",
    "test_threads.py",
    (
        "OpenBLAS is not told to use one thread",
        '"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")',
        '"OMP_NUM_THREADS", "MKL_NUM_THREADS")',
    ),
    ("any number of threads is accepted", 'environment.get(name) != "1"', "environment.get(name) is None"),
    (
        "threads that the BLAS has started are not checked",
        "threads is not None and threads != 1",
        "threads is not None and threads < 1",
    ),
    ("the pool with the fewest threads is checked", "max(counts) if counts", "min(counts) if counts"),
)

PROVENANCE = room(
    "labkit/provenance.py",
    "test_provenance.py",
    ("a clean checkout is called dirty", "dirty=bool(changed)", "dirty=not changed"),
    ("a run's own artifacts make the checkout dirty", '*(f":(exclude){path}" for path in _ARTIFACTS)', '""'),
    ("the fingerprint leaves out what facts say", "repr(sorted(facts.items()))", "repr(sorted(facts))"),
    (
        "the command is recorded with the machine's paths",
        "option + equals + (Path(value).name if",
        "option + equals + (value if",
    ),
)

INTERFERENCE = room(
    "labkit/interference.py",
    "test_interference.py",
    (
        "steal is counted since the machine began",
        "(self.steal_seconds or 0.0) - (earlier.steal_seconds or 0.0) if",
        "self.steal_seconds if",
    ),
    ("switches are counted since the process began", "self.voluntary - earlier.voluntary", "self.voluntary"),
)

FORENSICS = room(
    "labkit/forensics.py",
    "test_forensics.py",
    ("a second thread is no disturbance", "if r.cpu_over_wall > SECOND_THREAD_ABOVE:", "if r.cpu_over_wall > 2:"),
    (
        "preempted is what was left alone",
        "if r.cpu_over_wall < PREEMPTED_BELOW:",
        "if r.cpu_over_wall > PREEMPTED_BELOW:",
    ),
    ("steal is held against one CPU", "STOLEN_ABOVE * r.wall * cpus", "STOLEN_ABOVE * r.wall"),
    ("a slow core makes a cell interrupted", 'm is not None and m != "slowed"', "m is not None"),
    ("no cell is noisy", "return interrupted(found) or", "return False and"),
)

PHYSICS = room(
    "labkit/physics.py",
    "test_physics.py",
    ("a share above the roof is possible", "if cell.roof.low > 1:", "if cell.roof.low > 10:"),
    ("a share above the roof within its interval is impossible", "if cell.roof.low > 1:", "if cell.roof.high > 1:"),
    ("two threads are possible", "if threads > SECOND_THREAD_ABOVE:", "if threads > 2.5:"),
    (
        "time may shrink as N grows",
        "median(large.seconds_per_call) > statistics",
        "median(large.seconds_per_call) > 0 * statistics",
    ),
)

OF_LABKIT = (
    *ROOF_MODEL,
    *SAMPLING,
    *STATISTICS,
    *SCHEDULE,
    *SESSION,
    *STORE,
    *CODEC,
    *INTERFERENCE,
    *FORENSICS,
    *CACHES,
    *CLOCKS,
    *PHYSICS,
    *PAGES,
    *THREADS,
    *PROVENANCE,
)
