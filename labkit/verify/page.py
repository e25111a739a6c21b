"""Does README.md answer the four questions, with figures that are in the records?"""

import itertools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from labkit import pages, statistics
from labkit.records import Ladder
from labkit.roof import NO_REUSE_INTENSITY, compulsory_intensity
from labkit.verify.figures_in_text import Kind, Stated, stated
from labkit.verify.outcome import Check, met, not_met, of_faults, unknown
from labkit.verify.shapes import Results
from labkit.verify.submission import Submission, beside

# A learner may write "about 17,000 times" of 16,917.
_ABOUT = 0.03
# Written to so many digits, a figure claims to be one of the record's; "8x" or "100x" may be general knowledge.
_EXACT_DIGITS = 3
# Factors of so much are of interpreters and BLAS, wherever they stand.
_LARGE_FACTOR = 50.0
# So large, it is no general knowledge however it is rounded; but for the round powers of ten of the lab's own text.
_HUGE_FACTOR = 1000.0
_NAMES = ("answer 1, speedup", "answer 2, decomposition", "answer 3, roofline", "answer 4, blocking", "page's figures",
          "page's extrapolations")  # fmt: skip
_NUMBERED = re.compile(r"\W*(?:q(?:uestion)?\s*)?[1-4][.):]", re.IGNORECASE)
_BREAK = re.compile(r"\n\s*\n|\n(?=\s*(?:#|[-*+] |\*\*(?:q(?:uestion)?\s*)?\d|\d+[.)] ))", re.IGNORECASE)


def checks(given: Submission) -> Iterator[Check]:
    """The four answers, then whatever figures they state."""
    if "README.md" not in given.files:
        yield from (not_met(name, f"README.md {given.faults['README.md']}") for name in _NAMES[:4])
        yield from (unknown(name, "there is no page") for name in _NAMES[4:])
        return
    if given.results is None or not given.results.cells:
        yield from (
            unknown(name, "results.json cannot be read, so no figure can be held against it") for name in _NAMES
        )
        return
    page = Page.of(given.files["README.md"].decode("utf-8", errors="replace"))
    results = given.results
    # The largest size with the two that the first question is about: others may have been measured farther.
    both = [c.n for c in results.cells if results.cell("naive", c.n) and results.cell("matmul", c.n)]
    largest = max(both or [cell.n for cell in results.cells])
    answers = [
        _speedup(page, results, largest),
        _decomposition(page, results, largest),
        _roofline(page, results, largest),
        _blocking(page, results),
    ]
    yield from (check for check, _ in answers)
    yield _figures(page, [block for _, blocks in answers for block in blocks], given)
    yield _extrapolations(page, results)


@dataclass(frozen=True)
class Block:
    """A paragraph, a list item or a table, in lower case, and the figures in it."""

    text: str
    figures: list[Stated]

    def of(self, *kinds: Kind) -> list[Stated]:
        """Its figures of these kinds."""
        return [figure for figure in self.figures if figure.kind in kinds]

    def says(self, *words: str) -> bool:
        """Whether it has each word, or one of those that a word with bars names."""
        return all(any(one in self.text for one in word.split("|")) for word in words)


@dataclass(frozen=True)
class Page:
    """The blocks of a page."""

    blocks: list[Block]

    @classmethod
    def of(cls, text: str) -> "Page":
        """Comments, code blocks and link targets hold no statements."""
        for start, end in (("<!--", "-->"), ("```", "```")):
            text = _without(text, start, end)
        text = re.sub(r"\]\([^()\s]{0,1000}\)", "]", text)
        parts = [" ".join(part.split()) for part in _BREAK.split(text)]
        return cls([Block(part.lower(), list(stated(part))) for part in parts if part])

    def answering(self, number: int, *words: str) -> list[Block]:
        """The blocks that have these words, or the number of a question."""
        numbered = re.compile(rf"\W*(?:q(?:uestion)?\s*)?{number}[.):]")
        return [block for block in self.blocks if block.says(*words) or numbered.match(block.text)]

    def having(self, *words: str) -> list[Block]:
        """The blocks that have these words."""
        return [block for block in self.blocks if block.says(*words)]


def _without(text: str, start: str, end: str) -> str:
    """A text without what stands between two marks; an open one goes to the end."""
    kept, position = [], 0
    while (begins := text.find(start, position)) >= 0:
        kept.append(text[position:begins])
        ends = text.find(end, begins + len(start))
        position = ends + len(end) if ends >= 0 else len(text)
    return "\n\n".join([*kept, text[position:]])


Answer = tuple[Check, list[Block]]


def _ratio(results: Results, over: str, under: str, n: int) -> float | None:
    """How many times as fast one method is as another at a size, by their medians."""
    a, b = results.cell(over, n), results.cell(under, n)
    return a.gflops.median / b.gflops.median if a and b and b.gflops.median > 0 else None


def _stating(blocks: list[Block], kinds: tuple[Kind, ...], values: list[float]) -> list[Block]:
    """The blocks that state one of these values."""
    return [block for block in blocks if any(f.about(values, _ABOUT) for f in block.of(*kinds))]


def _speedup(page: Page, results: Results, n: int) -> Answer:
    factor = _ratio(results, "matmul", "naive", n)
    if factor is None:
        return unknown(_NAMES[0], f"naive or matmul has no cell at N={n}"), []
    if results.speedup and results.speedup.withheld and page.having("withheld"):
        return met(_NAMES[0], "it is withheld, and the page says so"), page.having("withheld")
    blocks = _stating(page.blocks, ("times",), [factor])
    if blocks:
        return met(_NAMES[0], f"the page states the factor of {pages.significant(factor)} at N={n}"), blocks
    return not_met(
        _NAMES[0],
        f"no paragraph states, as a multiplier, how much faster np.matmul is than naive: the record gives "
        f"{pages.significant(factor)} times at N={n}",
    ), []


def _decomposition(page: Page, results: Results, n: int) -> Answer:
    wanted = {"einsum over naive": ("einsum", "naive"), "np.matmul over einsum": ("matmul", "einsum")}
    missing, found = [], []
    for said, (over, under) in wanted.items():
        ratios = [r for m in {cell.n for cell in results.cells} if (r := _ratio(results, over, under, m))]
        blocks = _stating(page.having("einsum"), ("times",), ratios)
        found += blocks
        if not blocks and ratios:
            at_n = _ratio(results, over, under, n)
            missing.append(f"{said} ({pages.significant(at_n) if at_n else '?'} times at N={n})")
    if missing:
        return not_met(_NAMES[1], f"no paragraph about einsum states {' and '.join(missing)}"), found
    return met(_NAMES[1], "the page states what einsum gains over naive, and np.matmul over einsum"), found


def _roofline(page: Page, results: Results, n: int) -> Answer:
    matmul = results.cell("matmul", n)
    if matmul is None:
        return unknown(_NAMES[2], f"matmul has no cell at N={n}"), []
    proven = matmul.gflops.median / results.roof.dram_gbs
    # Compulsory traffic, with C read as well or not; and what the rate proves.
    intensities = [proven, compulsory_intensity(n), n / 8, matmul.gflops.best / results.roof.dram_gbs]
    about = page.answering(3, "roof|peak|ceiling|ridge")
    blocks = _stating(about, ("flop/byte",), intensities)
    blocks += [
        b for b in page.having("roof|peak|ceiling|ridge", "intensity", "n/6|n / 6") if b.figures and b not in blocks
    ]
    if not blocks:
        return not_met(
            _NAMES[2],
            f"no paragraph about the roof states np.matmul's arithmetic intensity: at least P/b = "
            f"{pages.significant(proven, 2)} and at most N/6 = {compulsory_intensity(n):.0f} flop/byte at N={n}",
        ), []
    where = [100 * matmul.roof.share, 100 * matmul.gflops.median / results.roof.peak_gflops]
    stating = [*about, *page.having("matmul")]
    placed = _stating(stating, ("percent",), where)
    placed += _stating(stating, ("GFLOPS",), [matmul.gflops.median, matmul.gflops.best])
    if not placed:
        return not_met(
            _NAMES[2],
            f"the page does not say where np.matmul sits: {pages.percent(matmul.roof.share)} of the peak at N={n}",
        ), blocks
    return met(
        _NAMES[2], "the page states np.matmul's arithmetic intensity and its place under the roof"
    ), blocks + placed


def _blocking(page: Page, results: Results) -> Answer:
    sizes = sorted({cell.n for cell in results.cells})
    ratios = [r for n in sizes if (r := _ratio(results, "blocked", "naive", n))]
    ratios += [c.ratio for c in results.comparisons if c.method.startswith("blocked")]
    ratios += [1 / r for r in ratios]
    about = page.answering(4, "block", "naive|loop|python")
    blocks = _stating(about, ("times",), ratios)
    blocks += _stating(about, ("percent",), [100 * abs(r - 1) for r in ratios] + [100 * r for r in ratios])
    rates = [[c.gflops.median for c in results.cells if c.method == method] for method in ("naive", "blocked")]
    blocks += [
        b for b in about if all(any(f.about(r, _ABOUT) for f in b.of("GFLOPS")) for r in rates) and "|" not in b.text
    ]
    if blocks:
        return met(_NAMES[3], "the page says how blocked compares with naive, with a figure of the record"), blocks
    largest = sizes[-1]
    ratio = _ratio(results, "blocked", "naive", largest)
    return not_met(
        _NAMES[3],
        "no paragraph says with a figure whether blocked beats naive: the record has it at "
        f"{pages.significant(ratio) if ratio else '?'} times naive's speed at N={largest}; say why, too",
    ), []


# --- figures that are in no record ------------------------------------------------------------------


def _figures(page: Page, answering: list[Block], given: Submission) -> Check:
    assert given.results
    ladder = _ladder(given)
    pool = _pool(given.results, ladder)
    faults, held = [], 0
    for block in page.blocks:
        # The ladder's factors can only be held against its record where that is at hand.
        exempt = "ladder" in block.text and ladder is None
        strict = block in answering or "|" in block.text or bool(_NUMBERED.match(block.text))
        for figure in block.figures:
            large = figure.kind == "times" and _claims(figure)
            if exempt or not (large or (strict and figure.digits >= _EXACT_DIGITS)):
                continue
            held += 1
            if not figure.is_one_of(pool[figure.kind]):
                faults.append(f"{figure.text!r} follows from no record")
    return of_faults(
        _NAMES[4], list(dict.fromkeys(faults)), f"{held} figures held against the records, all of them there"
    )


def _claims(factor: Stated) -> bool:
    """Whether a factor claims to be one of the record's, wherever it stands."""
    if factor.value >= _HUGE_FACTOR:
        return not any(abs(math.log10(r.value) % 1) < _POWER_OF_TEN for r in factor.readings if r.value > 0)
    return factor.value >= _LARGE_FACTOR and factor.digits >= 2


_POWER_OF_TEN = 1e-9


def _ladder(given: Submission) -> Ladder | None:
    return beside(given.folder.parent / "03-speedup-ladder" / "results.json", Ladder)


def _pool(results: Results, ladder: Ladder | None) -> dict[Kind, list[float]]:
    """Every value that a page may state, by kind, in the kind's unit."""
    roof, cells = results.roof, results.cells
    rates = [r for c in cells for r in (c.gflops.median, c.gflops.best, c.gflops.p90, c.gflops.low, c.gflops.high)]
    flat = NO_REUSE_INTENSITY * roof.dram_gbs
    fixed = [roof.peak_gflops, flat, *(bound for row in results.sanity for bound in (*row.expected, row.measured))]
    times = [r for n in {c.n for c in cells} for a, b in itertools.permutations([c for c in cells if c.n == n], 2)
             if (r := _ratio(results, a.method, b.method, n))]  # fmt: skip
    times += [v for c in results.comparisons for v in (c.ratio, c.low, c.high)]
    times += [
        v
        for s in (results.speedup, results.speedup_measured)
        if s
        for v in (s.factor, s.naive_seconds / s.matmul_seconds)
    ]
    times += [c.gflops.median / flat for c in cells] + [law.ratio for law in results.cube_law]
    seconds = [c.flops / c.gflops.median / 1e9 for c in cells] + [c.total_seconds for c in cells]
    seconds += [statistics.median(c.seconds_per_call) for c in cells if c.seconds_per_call]
    seconds += [s / (c.n**3) for c in cells for s in [c.flops / c.gflops.median / 1e9]]
    seconds += [s for law in results.cube_law for s in (law.predicted_seconds, law.measured_seconds)]
    percent = [
        100 * v for c in cells for v in (c.roof.share, c.roof.low, c.roof.high, c.gflops.median / roof.peak_gflops)
    ]
    percent += [100 * abs(v - 1) for v in times] + [100 * v for v in times if v <= 1]
    # How much of the gap, on a logarithmic scale, lies between the loop and einsum.
    gaps = [(_ratio(results, "einsum", "naive", c.n), _ratio(results, "matmul", "naive", c.n)) for c in cells]
    percent += [100 * math.log(a) / math.log(b) for a, b in gaps if a and b and b != 1]
    if results.embedding:
        e = results.embedding
        fixed.append(e.projection_gflops)
        seconds += [e.gather_seconds, e.one_hot_seconds, *([e.projection_seconds] if e.projection_seconds else [])]
        times.append(e.one_hot_seconds / e.gather_seconds)
    if ladder:
        factors = [*ladder.factors, ladder.whole, *ladder.other_order, *ladder.sides]
        times += [ladder.product, *(v for f in factors for v in (f.ratio, f.low, f.high))]
    intensities = [roof.ridge_flop_per_byte, NO_REUSE_INTENSITY]
    intensities += [v for c in cells for v in (c.gflops.median / roof.dram_gbs, compulsory_intensity(c.n), c.n / 8)]
    gbs = [roof.dram_gbs, roof.sentinel.gbs.median, roof.sentinel.gbs.p90]
    pool: dict[Kind, list[float]] = {
        "times": times, "GFLOPS": rates + fixed, "percent": percent, "seconds": seconds, "flop/byte": intensities,
        "GB/s": gbs,
    }  # fmt: skip
    return {kind: sorted(values) for kind, values in pool.items()}


def _extrapolations(page: Page, results: Results) -> Check:
    names = [cell.name for cell in results.cells if cell.extrapolated]
    if not names:
        return met(_NAMES[5], "nothing is extrapolated")
    if page.having("extrapolat"):
        return met(_NAMES[5], "the page says that some cells are extrapolated")
    return not_met(_NAMES[5], f"the page does not say that {', '.join(names[:2])} is extrapolated: document it")
