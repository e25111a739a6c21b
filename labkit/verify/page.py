"""Demands E1 to E5: README.md answers the four questions, with the record's figures, in any language.

Numbers are found, and answers told apart by numbers, headings or names of code. Prose is not judged.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from labkit.verify.cells import Timed
from labkit.verify.documents import decoded
from labkit.verify.outcome import Check, judge
from labkit.verify.submission import Submission

# "About 17,000 times" of 16,917 is the record's figure.
ABOUT = 0.03
NAMES = SPEEDUP, INTERPRETER, FRACTION, BLOCKING, EXTRAPOLATION = (
    "E1 the speedup",
    "E2 interpreter and BLAS",
    "E3 the fraction of peak",
    "E4 blocked against naive",
    "E5 extrapolation is documented",
)
# What may stand between groups of digits: each country has its own. A comma or a point may be decimal, too.
GROUPS = ",.'\u2019_ \u00a0\u2009\u202f"
# Words for a power of ten behind a number, longest first.
POWERS = {"million": 6, **dict.fromkeys(("thousand", "tausend", "mille", "mila", "tsd", "mil", "тыс", "千", "k"), 3)}
POWERS |= dict.fromkeys("万萬만", 4)
NUMBER = re.compile(
    rf"(?<![\w.,])(\d{{1,3}}(?:[{GROUPS}]\d{{3}})+(?!\d)(?:[.,]\d{{1,12}})?|\d{{1,2}}(?:,\d\d){{1,4}},\d{{3}}(?!\d)"
    r"|\d{1,12}(?:[.,]\d{1,12})?)"
    r"(?:\s?(?:[×x·*]\s?10\s?(?:\^|\*\*)?\s?\{?|e)([+-]?\d{1,2}|[⁰¹²³⁴-⁹]{1,2})\}?)?"
    rf"(?:\s?({'|'.join(POWERS)})(?![a-z]))?"
    r"(\s?(?:%|٪|per ?cent|prozent|procent|por cien|pour cent|por cento))?"
)
# A number at the start of a line, whatever stands around it: "### 2.", "Frage 2:", "(2)", "E2 -".
NUMBERED = re.compile(
    r"^[\s#>(*_-]{0,10}(?:[^\W\d]{1,12}\.?\s?)?([1-4])\s?(?:[.):、]|-|\u2013|\u2014|\s*$)(?!\d)", re.MULTILINE
)
HEADING = re.compile(
    r"^\s{0,3}#{1,6}\s|^\S.{0,80}\n\s{0,3}(?:===+|---+)\s*$|^\s*\*\*[^*\n]{1,80}\*\*:?\s*$", re.MULTILINE
)
QUESTIONS = 4
LEAST_WORDS = 40  # of four answers: a page with fewer has none
EXTRAPOLATED = re.compile(
    r"e[xks]+trapol|estrapol|экстрапол|外推|外挿|외삽|hochgerechnet|cube law|[x×*]\s?8\b|8\s?[x×*]"
)
ENGLISH = re.compile(r"\b(?:the|is|and|of)\b")


def checks(given: Submission) -> Iterator[Check]:
    """The four answers, and whether an extrapolation is documented."""
    if "README.md" not in given.files:
        yield from (Check(name, False, f"README.md {given.faults['README.md']}") for name in NAMES[:4])
        yield Check(EXTRAPOLATION, None, "there is no page")
        return
    raw = _without_comments(decoded(given.files["README.md"]))
    text = plain(raw)
    stated, none = list(numbers(text)), "there is no record that the page could be held against"
    yield _speedup(stated, given) if given.cells else Check(SPEEDUP, None, none)
    yield _answer(INTERPRETER, 2, "einsum", raw, text)
    yield _fraction(stated, given) if given.cells else Check(FRACTION, None, none)
    yield _answer(BLOCKING, 4, r"bl[oö]c?[kq]|bloc|tile|分块|блок", raw, text)
    yield _extrapolation(text, given.cells)


def _without_comments(text: str) -> str:
    """A page in lower case with the usual digits and spaces, without comments and link targets."""
    digits = ((c, unicodedata.decimal(c, -1)) for c in {c for c in text if c > "\u007f"})
    text = text.translate({ord(c): str(d) for c, d in digits if d >= 0} | {0x66B: ".", 0x66C: ","}).lower()
    start, *comments = text.split("<!--")
    text = start + "".join(part.partition("-->")[2] for part in comments)
    return re.sub(r"\]\([^()\s]{0,1000}\)", "]", text).replace("\r\n", "\n").replace("\r", "\n")


def plain(text: str) -> str:
    """Without what LaTeX and Markdown put around a number."""
    for latex, sign in (("{,}", ","), ("{.}", "."), ("\\times", "×"), ("\\cdot", "·"), ("\\%", "%")):
        text = text.replace(latex, sign)
    return re.sub(r"\\[,;: ]|[$*`~|]+", " ", text)


def numbers(text: str) -> Iterator[float]:
    """Every number of a text, each way that it may be meant: 20.000 is twenty, or twenty thousand; 80 % is 0.8 too."""
    for written, exponent, power, percent in NUMBER.findall(text):
        scale = 10.0 ** (int(unicodedata.normalize("NFKC", exponent or "0")) + POWERS.get(power, 0))
        whole, separator, decimals = written.replace(",", ".").rpartition(".")
        readings = [(whole, decimals)] if separator else []
        readings += [(written, "0")] if not separator or len(decimals) == 3 else []
        for digits, fraction in readings:
            yield (value := scale * float(f"{re.sub(f'[{GROUPS}]', '', digits)}.{fraction}"))
            if percent:
                yield value / 100


def _rates(cell: Timed | None) -> list[float]:
    """A cell's rate by each summary that a page may state: median, mean or best."""
    return sorted({*cell.rates[:3], *([cell.gflops] if cell.gflops else []), *_by_times(cell)}) if cell else []


def _by_times(cell: Timed) -> list[float]:
    times = cell.of_seconds[-2:] + cell.of_seconds[: len(cell.stated)] if cell.of_seconds else []
    return [*times, cell.flops / min(cell.seconds) / 1e9] if cell.seconds else times


def _speedup(stated: list[float], given: Submission) -> Check:
    matmul, naive = ({c.n: _rates(c) for c in given.cells if c.method == m and c.gflops} for m in ("matmul", "naive"))
    if not matmul or not naive:
        return Check(SPEEDUP, None, "the record has no speedup")
    n, withheld = max(matmul), None
    # At the largest size, by the cube law if naive was not run there; and at the largest that both were run at.
    pairs = {(n, max(naive)), *((both, both) for both in (matmul.keys() & naive.keys()))}
    factors = [fast / slow for a, b in sorted(pairs, reverse=True)[:2] for fast in matmul[a] for slow in naive[b]]
    figure = f"the record's speedup, {median(matmul[n]) / median(naive[max(naive)]):,.0f} at N = {n}"
    if given.results:
        said = [s for s in (given.results[1].speedup, given.results[1].speedup_measured) if s]
        factors = [s.factor for one in said for s in (one, one.as_it_was) if s]
        figure = f"the record's speedup, {factors[0]:,.0f} at N = {said[0].n}"
        withheld = said[0].withheld
    return _figure(SPEEDUP, stated, factors, figure, f"the record withholds it: {withheld}" if withheld else None)


def _fraction(stated: list[float], given: Submission) -> Check:
    cell = max((c for c in given.cells if c.method == "matmul" and c.gflops), key=lambda c: c.n, default=None)
    if cell is None:
        return Check(FRACTION, None, "matmul has no cell")
    if not given.peaks:
        where = '"peak_gflops" into results.json or manifest.json'
        return Check(FRACTION, None, f"no FMA peak is on record: write {where}, or hand in the roofline")
    values = [rate / peak for rate in _rates(cell) for peak in given.peaks]
    if given.results and (own := given.results[1].cell("matmul", cell.n)):
        values = [own.peak_fraction.value, own.peak_fraction.low, own.peak_fraction.high, *values]
    figure = f"np.matmul's fraction of the FMA peak, {100 * values[0]:.0f} % at N = {cell.n}"
    return _figure(FRACTION, stated, values, figure)


def _figure(name: str, stated: list[float], values: Iterable[float], figure: str, unknown: str | None = None) -> Check:
    """Whether one of these values is stated, give or take a rounding."""
    values = list(values)
    if any(min(values) * (1 - ABOUT) <= n <= max(values) * (1 + ABOUT) for n in stated) and any(
        abs(n - v) <= ABOUT * v for n in stated for v in values
    ):
        return Check(name, True, f"the page states {figure}")
    return judge(name, [] if unknown else [f"no number of the page is {figure}: state it"], "", unknown or "")


def _answer(name: str, question: int, words: str, raw: str, text: str) -> Check:
    """By its number, by its place among four headings, or by the name of the function; else unknown."""
    numbered = {int(number) for number in NUMBERED.findall(raw)}
    if question in numbered or re.search(words, text) or len(HEADING.findall(raw)) >= QUESTIONS:
        return Check(name, True, f"question {question} is answered; how well is for a reader to judge")
    example = f'write one under a heading such as "## {question}"'
    if len(text.split()) < LEAST_WORDS or len(numbered) >= QUESTIONS - 1:
        what = "einsum" if question == 2 else "blocked"
        return Check(name, False, f"README.md has no answer {question}, and does not mention {what}: {example}")
    return Check(name, None, f"no heading or number tells which part answers question {question}: {example}")


def _extrapolation(text: str, cells: Sequence[Timed]) -> Check:
    names = [f"{c.method} at N = {c.n}" for c in cells if c.extrapolated]
    if not names or EXTRAPOLATED.search(text):
        return Check(EXTRAPOLATION, True, "the page says so" if names else "no cell is marked as extrapolated")
    missing = f"{names[0]} is extrapolated, and the page has no word like 'extrapolated'"
    if len(ENGLISH.findall(text)) < 4:
        return Check(EXTRAPOLATION, None, f"{missing}: look at it")
    return Check(EXTRAPOLATION, False, f"{missing}: say so")
