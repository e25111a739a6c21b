"""Bugs of the verifier: what it would let through, and what it would refuse."""

from mutant import Mutant, room

_RECORDS, _SOURCES = "verify/test_doctored_records.py", "verify/test_doctored_sources.py"
_PAGES, _COMMAND = "verify/test_page_and_figure.py", "verify/test_verify_command.py"

FILES = room(
    "labkit/verify/files.py",
    _RECORDS,
    (
        "a digest is held against itself",
        "outputs[file].lower() != store.digest(",
        "outputs[file].lower() == store.digest(",
    ),
    ("any seed will do in the manifest", "if manifest.seed != lab.SEED:", "if manifest.seed is None:"),
    ("a null without a reason passes", "if value is None and not manifest", "if value and not manifest"),
    ("a quick pass is complete", "if given.results.protocol.quick:", "if given.results.protocol.quick is None:"),
)

PROTOCOL = room(
    "labkit/verify/protocol.py",
    _RECORDS,
    ("four repetitions are enough", "if many < lab.MIN_REPETITIONS and", "if many < lab.MIN_REPETITIONS - 1 and"),
    ("a copied round passes", "len(set(cell.rounds)) < len(cell.rounds)", "len(set(cell.rounds)) > len(cell.rounds)"),
    ("equal times pass", "len(set(cell.seconds_per_call)) == 1", "len(set(cell.seconds_per_call)) == 0"),
    ("a total may be more than its parts", "<= total * (1 + _ROUNDING)", "<= total * 2"),
    ("half a second is enough", "cell.total_seconds < lab.MIN_SECONDS * (1 - _ROUNDING)", "cell.total_seconds < 0.5"),
    ("a second thread passes", "if ratio > SECOND_THREAD_ABOVE", "if ratio > 2 * SECOND_THREAD_ABOVE"),
    ("any governor will do", 'not in (None, "performance")', 'not in (None, "performance", "powersave")'),
)

RATES = room(
    "labkit/verify/rates.py",
    _RECORDS,
    ("an edited median within its interval passes", '("median", "best", "p90", "low", "high")', '("best", "p90")'),
    ("no share is recomputed", "if not 1 / within <= cell.roof.share / again <= within:", "if again < 0:"),
    (
        "a speedup of another size passes",
        "if results.speedup.n not in (largest, max(lab.SIZES)):",
        "if results.speedup.n > largest:",
    ),
    ("a factor of five is enough", "if factor >= lab.LEAST_SPEEDUP:", "if factor >= 0.01 * lab.LEAST_SPEEDUP:"),
    ("any verdict will do of a comparison", "elif said.verdict not in (", "elif said.verdict in (None, "),
    ("an unmet agreement passes", "elif not one.within_bound:", "elif one.within_bound is None:"),
)

LAWS = room(
    "labkit/verify/laws.py",
    _RECORDS,
    ("a computed time passes for a measured one", "any(abs(one / s - 1) < _COMPUTED", "any(abs(one / s - 1) < 0"),
    (
        "np.matmul may be extrapolated",
        "if not lab.interpreted(cell.method):\n            yield",
        "if cell.method == 'einsum':\n            yield",
    ),
    ("N = 512 may be extrapolated", "if cell.n < lab.FEWER_FROM_N:", "if cell.n < lab.FEWER_FROM_N / 2:"),
    ("any time will do at the larger size", "> _MEDIANS_WITHIN for one", "> 1e9 for one"),
    (
        "a product may take no longer",
        "if grows and seconds(large) <= seconds(small):",
        "if grows and seconds(large) < 0:",
    ),
    ("the roof may be anywhere", "if not low <= value <= high:", "if value < 0:"),
    ("any ridge will do", "if abs(value / follows - 1) > _SAME:", "if abs(value / follows - 1) > 1e9:"),
    ("a rate above the peak passes", "if cell.gflops.low > results.roof.peak_gflops:", "if cell.gflops.low < 0:"),
    ("naive may run at a GFLOPS", "cell.gflops.median > lab.INTERPRETED_BELOW_GFLOPS", "cell.gflops.median > 1.0"),
)

LOOPS = room(
    "labkit/verify/loops.py",
    _SOURCES,
    ("a row may be added to a row", "if whole and not (depth == 0 and", "if not whole and not (depth == 0 and"),
    ("@ is a loop", "if isinstance(operator, ast.MatMult):", "if isinstance(operator, ast.Pow):"),
    ("NumPy may compute", "if name not in HARMLESS and name not in _DOUBLE:", "if name == 'sin':"),
    ("np.zeros without a dtype is float32", "if not given and id(node)", "if given and id(node)"),
    ("a helper is not looked into", "if name not in self.seen and name != self.name:", "if not name:"),
)

FUNCTIONS = room(
    "labkit/verify/functions.py",
    _SOURCES,
    ("any product agrees", "if not np.all(off <= allowed):", "if not np.all(off >= 0):"),
    (
        "doubles pass",
        "if np.mean(product == rounded_once) > DOUBLE_IF_EXACT:",
        "if np.mean(product == rounded_once) > 1:",
    ),
    ("no instruction is counted", 'if watched["steps"] < LEAST_INSTRUCTIONS', "if -1 > LEAST_INSTRUCTIONS"),
    ("a hang is waited for", "status = worker.wait(limit_seconds)", "status = worker.wait(20 * limit_seconds)"),
)

WORKER = room(
    "labkit/verify/worker.py",
    _SOURCES,
    ("the network is open", "if event in NETWORK:", "if event in ():"),
    ("processes may be started", "if event in PROCESSES:", "if event in ():"),
    ("files may be written", 'if event == "open" and _writes', 'if event == "opened" and _writes'),
    ("files may be removed", "if event in REMOVING and", "if event in () and"),
    ("operands may be changed", 'raise ValueError("it changes its operands")', "pass"),
)

PAGE = room(
    "labkit/verify/page.py",
    _PAGES,
    ("any figure is one of the record's", "if not figure.is_one_of(pool[figure.kind]):", "if figure.value < 0:"),
    ("a page need not say that it extrapolates", 'if page.having("extrapolat"):', "if page.blocks:"),
    (
        "any multiplier answers the first question",
        '_stating(page.blocks, ("times",), [factor])',
        'page.having("blas")',
    ),
)

FIGURE = room(
    "labkit/verify/figure.py",
    _PAGES,
    ("a blank figure passes", "if len(colours) < LEAST_COLOURS:", "if len(colours) < 0:"),
    (
        "any curve will do",
        'if not _same(drawn[n].get("gflops"), cell.gflops.median):',
        'if not drawn[n].get("gflops"):',
    ),
    ("any roof will do", "if not _same(roof.get(name), value):", "if name not in roof:"),
)

OUTCOME = room(
    "labkit/verify/outcome.py",
    _COMMAND,
    ("a requirement that is missed does no harm", "any(check.passed is False for", "all(check.passed is False for"),
    ("what could not be told is refused", "any(check.passed is False for", "any(not check.passed for"),
)

OF_VERIFY: tuple[Mutant, ...] = (
    *FILES,
    *PROTOCOL,
    *RATES,
    *LAWS,
    *LOOPS,
    *FUNCTIONS,
    *WORKER,
    *PAGE,
    *FIGURE,
    *OUTCOME,
)
