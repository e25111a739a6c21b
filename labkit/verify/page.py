"""Demands E1 to E5: README.md answers the four questions, with the record's figures. Prose is not judged."""

import re
import unicodedata
from collections.abc import Iterator

from labkit.records.derive import Analysis
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
# What may stand between groups of three digits: each country has its own. A comma or a point may be decimal, too.
GROUPS = ",.'\u2019_ \u00a0\u2009\u202f"
NUMBER = re.compile(
    rf"(?<![\w.,])(\d{{1,3}}(?:[{GROUPS}]\d{{3}})+(?!\d)(?:[.,]\d{{1,12}})?|\d{{1,12}}(?:[.,]\d{{1,12}})?)"
    r"(?:\s?(?:[×x·*]\s?10\s?\^?\s?\{?|e)([+-]?\d{1,2}|[⁰¹²³⁴-⁹]{1,2})\}?)?"
    r"(\s?(?:%|per ?cent|prozent|por cien|pour cent))?"
)
# In the languages of those who were asked; an answer that bears the question's number needs no word.
NUMBERED = r"^[\s#>(-]{0,10}(?:q|question|answer)?\s{0,3}%d\s?[.):](?!\d)"
EXTRAPOLATED = "extrapol|экстрапол|外推|外挿"


def checks(given: Submission) -> Iterator[Check]:
    """The four answers, and whether an extrapolation is documented."""
    if "README.md" not in given.files:
        yield from (Check(name, False, f"README.md {given.faults['README.md']}") for name in NAMES[:4])
        yield Check(EXTRAPOLATION, None, "there is no page")
        return
    if not given.results or not given.results[1].cells:
        yield from (Check(name, None, "there is no record that the page could be held against") for name in NAMES)
        return
    text, found = plain(given.files["README.md"]), given.results[1]
    stated = list(numbers(text))
    yield _speedup(stated, found)
    yield _answer(INTERPRETER, 2, "einsum", text)
    yield _fraction(stated, found)
    yield _answer(BLOCKING, 4, "block|blöck|bloc|bloque", text)
    names = [f"{c.method} at N = {c.n}" for c in found.cells if c.extrapolated]
    silent = names and not re.search(EXTRAPOLATED, text)
    faults = [f"{names[0]} is extrapolated, and the page has no word like 'extrapolated': say so"] if silent else []
    yield judge(EXTRAPOLATION, faults, "the page says so" if names else "nothing is extrapolated")


def plain(raw: bytes) -> str:
    """A page in lower case, without comments, link targets, and what LaTeX and Markdown put around a number."""
    text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", "replace").lower()
    start, *comments = text.split("<!--")
    text = start + "".join(part.partition("-->")[2] for part in comments)
    text = re.sub(r"\]\([^()\s]{0,1000}\)", "]", text)
    text = text.replace("{,}", ",").replace("\\times", "×").replace("\\cdot", "·").replace("\\%", "%")
    return re.sub(r"\\[,;: ]|[$*`~]+", " ", text)


def numbers(text: str) -> Iterator[float]:
    """Every number of a text, each way that it may be meant: 20.000 is twenty, or twenty thousand; 80 % is 0.8 too."""
    for written, exponent, percent in NUMBER.findall(text):
        scale = 10.0 ** int(unicodedata.normalize("NFKC", exponent or "0"))
        whole, separator, decimals = written.replace(",", ".").rpartition(".")
        readings = [(whole, decimals)] if separator else []
        readings += [(written, "0")] if not separator or len(decimals) == 3 else []
        for digits, fraction in readings:
            yield (value := scale * float(f"{re.sub(f'[{GROUPS}]', '', digits)}.{fraction}"))
            if percent:
                yield value / 100


def _speedup(stated: list[float], found: Analysis) -> Check:
    factors = [s for s in (found.speedup, found.speedup_measured) if s]
    if not factors:
        return Check(SPEEDUP, None, "the record has no speedup")
    figure = f"the record's speedup, {factors[0].factor:,.0f} at N = {factors[0].n}"
    return _figure(SPEEDUP, stated, [s.factor for s in factors], figure, factors[0].withheld)


def _fraction(stated: list[float], found: Analysis) -> Check:
    cell = max((c for c in found.cells if c.method == "matmul"), key=lambda c: c.n, default=None)
    if cell is None:
        return Check(FRACTION, None, "matmul has no cell")
    f = cell.peak_fraction
    figure = f"np.matmul's fraction of the FMA peak, {100 * f.value:.0f} % ({100 * f.low:.0f} to {100 * f.high:.0f})"
    return _figure(FRACTION, stated, [f.value, f.low, f.high], f"{figure} at N = {cell.n}")


def _figure(name: str, stated: list[float], values: list[float], figure: str, withheld: str | None = None) -> Check:
    """Whether one of these values is stated, give or take a rounding."""
    if any(abs(n - v) <= ABOUT * v for n in stated for v in values):
        return Check(name, True, f"the page states {figure}")
    faults = [] if withheld else [f"no number of the page is {figure}: state it"]
    return judge(name, faults, "", f"the record withholds it: {withheld}")


def _answer(name: str, question: int, words: str, text: str) -> Check:
    spoken = re.search(words, text) or re.search(NUMBERED % question, text, re.MULTILINE)
    faults = [f"README.md has no answer {question} and does not mention {words.partition('|')[0]}: write one"]
    return judge(name, [] if spoken else faults, f"question {question} is answered; how well is for a reader to judge")
