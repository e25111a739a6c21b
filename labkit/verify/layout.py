"""A `results.json` in whatever plain layout, read into cells: rows, columns, objects by method and N, arrays.

Nothing here knows one layout by name. Every number is placed by the keys above it: a method, an order N, a quantity.
"""

import json
import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from statistics import fmean, median
from typing import Any

from labkit.records.derive import Analysis

MOST_LEVELS, MOST_VALUES = 40, 2_000_000  # of a document; an honest one has 6 levels and some 100,000 numbers
LEAST_N, MOST_N = 4, 100_000

_METHODS = {
    "naive": r"(?:matmul|mm|gemm|python)?(?:naive|naiv|naif|ingenu[ao]?|tripleloop)(?:matmul|python|loops?)?",
    "blocked": r"(?:matmul|mm)?(?:block(?:ed|s)?|tiled|geblockt|(?:em)?blocos?|bloques|bloqueado)(?:bs|size)?(\d*)",
    "einsum": r"(?:np|numpy)?(?:matmul)?einsum(?:ikkjij)?(opt\w*)?",
    "matmul": r"(?:np|numpy|blas)?(?:matmul|openblas|blas|numpy|np)(?:np|numpy|blas|reference|ref)?",
}
_METHOD_KEY = re.compile(
    r"(?:method|name|variant|impl\w*|kernel|func\w*|algo\w*|methode|metodo|verfahren|variante|fn)s?"
)
_N_KEY = re.compile(r"(?:n|size|dim|order|shape|matrixsize|x|tamanho|groesse|grosse|taille|nvalue|sizen)s?")
_SKIP = re.compile(
    r"std|dev\b|stdev|err|var|iqr|mad\b|sem\b|low|high|lower|upper|\bci|p\d\d|resolution|cpu|limit|min_?(?:sec|time)|"
    r"speed_?up|fraction|percent|(?:^|_)ratio|stamp|expected|peak|roof|date|warm|theor"
)
_TIME = re.compile(
    r"sec|time|elapsed|duration|wall|zeit|dauer|tempo|tiempo|temps|timing|laufz|(?:^|_)(?:s|ms|us|ns|µs)(?:_|$)"
)
_UNITS = (
    (r"(?:^|_)(?:ms|msec|milli\w*)(?:_|$)", 1e-3),
    (r"(?:^|_)(?:us|µs|usec|micro\w*)(?:_|$)", 1e-6),
    (r"(?:^|_)(?:ns|nsec|nano\w*)(?:_|$)", 1e-9),
)
_TOTAL = re.compile(r"total|sum|overall|gesamt|all_")
_SUMMARY = re.compile(r"median|mean|avg|average|best|value|result|min|mittel|media|mediana")
_CALLS = re.compile(r"calls?|number|inner|batch|loops")
_COUNT = re.compile(r"reps?|repet|repeat|iter|runs|samples|count|trials|wiederhol|rodadas|amostras|n_?runs")


@dataclass
class Timed:
    """A method at a size: rates in GFLOPS as stated, `seconds` of a call one per sample, `stated` ones as summaries.

    `samples` and `total` seconds are None where they are not told.
    """

    method: str
    n: int
    rates: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    stated: list[float] = field(default_factory=list)
    samples: int | None = None
    calls: int | None = None  # in a sample, where that is told
    total: float | None = None
    extrapolated: bool = False
    bare: list[float] = field(default_factory=list)  # numbers of which no key says what they are

    @property
    def name(self) -> str:
        return f"{self.method} at N = {self.n}"

    @property
    def flops(self) -> int:
        return 2 * self.n**3

    @cached_property
    def of_seconds(self) -> list[float]:
        """The rates that its times give: one for each, of a total that of a call; and those of the mean and median."""
        times = [*self.seconds, *self.stated]
        if self.seconds:
            times += [fmean(self.seconds), median(self.seconds)]
        if self.total and self.samples:
            times.append(self.total / (self.samples * (self.calls or 1)))
        return [self.flops / t / 1e9 for t in times]

    @property
    def gflops(self) -> float | None:
        """Its rate: the first that is stated, or what its times give."""
        if self.rates:
            return self.rates[0]
        times = self.stated or ([median(self.seconds)] if self.seconds else [])
        return self.flops / times[0] / 1e9 if times else self.of_seconds[0] if self.of_seconds else None

    @property
    def many(self) -> int | None:
        """How many samples it has, where that is told."""
        return len(self.seconds) if len(self.seconds) > 1 else self.samples

    @property
    def timed_seconds(self) -> float | None:
        """Wall time in timed calls, where that is told or follows."""
        if self.total is not None:
            return self.total
        if len(self.seconds) > 1:
            return math.fsum(self.seconds) * (self.calls or 1)
        once = next(iter(self.stated or self.seconds), None)
        return once * self.samples * (self.calls or 1) if once and self.samples else None


def of_analysis(found: Analysis) -> list[Timed]:
    """The cells of a record of this project."""
    return [
        Timed(
            c.method,
            c.n,
            rates=[c.gflops.median, c.gflops.best, c.alone.gflops.value],
            seconds=c.seconds_per_call,
            samples=len(c.seconds_per_call),
            total=c.total_seconds,
            extrapolated=c.extrapolated,
        )
        for c in found.cells
    ]


# --- text and documents ------------------------------------------------------------------------------------


def decoded(raw: bytes) -> str:
    """The text of a file, whatever encoding an editor gave it."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16", "replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def document(raw: bytes) -> Any:
    """The JSON of a file, or of its lines as a list; NaN is null. A ValueError says what is wrong, and where."""
    text = decoded(raw)
    try:
        return json.loads(text, parse_constant=lambda _: None)
    except json.JSONDecodeError as error:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) > 1 and all(line.startswith("{") for line in lines):
            return [json.loads(line, parse_constant=lambda _: None) for line in lines]
        raise ValueError(f"is no JSON: {error.msg} in line {error.lineno}") from None


def facts(value: Any, path: tuple[str, ...] = (), depth: int = 0) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(keys in lower case, value) of every value that is no object; of long lists of numbers none."""
    if depth > MOST_LEVELS:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from facts(inner, (*path, str(key).casefold()), depth + 1)
    elif isinstance(value, list):
        for inner in value[:1000] if not value or not _is_number(value[0]) else ():
            yield from facts(inner, path, depth + 1)
    else:
        yield path, value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


# --- what a key says ---------------------------------------------------------------------------------------


def _plain(text: str) -> str:
    """Lower case, without accents; words joined by one underscore."""
    text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    text = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", "_", text).casefold().replace("g_flop", "gflop")
    return re.sub(r"[^\wµ]+|_+", "_", text).strip("_")


def method_of(text: str) -> str | None:
    """The method that a key or a value names: `np.matmul`, `matmul_naive`, `blocked-32`."""
    joined = _plain(text).replace("_", "")
    for method, pattern in _METHODS.items():
        if found := re.fullmatch(pattern, joined):
            more = found[1] if found.groups() else None
            if method == "blocked" and more and int(more[:6]) != 64:
                return f"blocked_{int(more[:6])}"
            return "einsum_optimized" if method == "einsum" and more else method
    return None


def size_of(value: Any) -> int | None:
    """The order that a key or a value names: 64, "N=64", "64x64", [64, 64]."""
    if isinstance(value, list) and value and all(v == value[0] for v in value):
        value = value[0]
    if isinstance(value, str):
        found = re.fullmatch(
            r"(?:n|size|dim)?[_\s=:]*(\d{1,6})(?:(?:_|\s)*[x×](?:_|\s)*\1){0,2}", value.strip().casefold()
        )
        value = int(found[1]) if found else None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and LEAST_N <= value <= MOST_N else None


def _quantity(key: str) -> tuple[str, float] | None:
    """(what a key names, its unit in GFLOPS or seconds), or None."""
    key = _plain(key)
    if re.search(r"extrapol|estimated|hochgerechnet|geschatzt", key):
        return "extrapolated", 1.0
    if _SKIP.search(key):
        return None
    if "flop" in key:
        if key in ("flop", "flops", "flop_count", "flops_per_call") or "byte" in key:
            return None
        scale = next((s for word, s in (("gflop", 1.0), ("mflop", 1e-3), ("tflop", 1e3)) if word in key), 1e-9)
        return "rate", scale
    unit = next((scale for pattern, scale in _UNITS if re.search(pattern, key)), 1.0)
    if _TIME.search(key):
        return "total" if _TOTAL.search(key) else "seconds", unit
    if _COUNT.search(key):
        return "samples", 1.0
    return ("calls", 1.0) if _CALLS.search(key) else None


# --- the walk ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _At:
    """What the keys above a value have said."""

    method: str | None = None
    n: int | None = None
    kind: tuple[str, float] | None = None
    sizes: tuple[int, ...] = ()
    methods: tuple[str, ...] = ()
    extrapolated: bool = False
    depth: int = 0


class _Reader:
    def __init__(self) -> None:
        self.cells: dict[tuple[str, int], Timed] = {}
        self.left = MOST_VALUES

    def walk(self, value: Any, at: _At) -> None:
        self.left -= 1
        if at.depth > MOST_LEVELS or self.left < 0:
            raise ValueError("has too many levels or values to be read")
        at = replace(at, depth=at.depth + 1)
        if isinstance(value, dict):
            self._object(value, at)
        elif isinstance(value, list):
            self._list(value, at)
        elif at.method and at.n:
            self._number(value, at)

    def _object(self, value: dict[str, Any], at: _At) -> None:
        if rows := _rows(value):
            for row in rows:
                self.walk(row, at)
            return
        rest = {}
        for key, inner in value.items():
            plain = _plain(str(key))
            joined = plain.replace("_", "")
            if _METHOD_KEY.fullmatch(joined) and isinstance(inner, str) and method_of(inner):
                at = replace(at, method=method_of(inner))
            elif _METHOD_KEY.fullmatch(joined) and isinstance(inner, list) and inner and all(map(_names_method, inner)):
                at = replace(at, methods=tuple(method_of(m) or "" for m in inner))
            elif _N_KEY.fullmatch(joined) and (n := size_of(inner)):
                at = replace(at, n=n)
            elif _N_KEY.fullmatch(joined) and isinstance(inner, list) and len(inner) > 1 and all(map(size_of, inner)):
                at = replace(at, sizes=tuple(size_of(n) or 0 for n in inner))
            elif (plain == "measured" and inner is False) or _says_extrapolated(inner):
                at = replace(at, extrapolated=True)
            else:
                rest[str(key)] = inner
        compound = any(len(_compound(key)) > 1 and _compound(key)[0] != "blocked" for key in rest)
        for key, inner in rest.items():
            self.walk(inner, _named(key, at, compound))

    def _list(self, value: list[Any], at: _At) -> None:
        numbers = bool(value) and all(v is None or _is_number(v) for v in value)
        if at.method and at.n:
            if numbers and len(value) > 1 and at.kind and at.kind[0] in ("seconds", "total"):
                times = [v * at.kind[1] for v in value if v is not None and math.isfinite(v) and v > 0]
                self._cell(at).seconds.extend(times)
                return
            for inner in value:
                self.walk(inner, at)
        elif at.method and at.sizes and len(value) == len(at.sizes):
            for n, inner in zip(at.sizes, value, strict=True):
                self.walk(inner, replace(at, n=n))
        elif at.methods and (at.n or at.sizes) and len(value) == len(at.methods):
            for method, inner in zip(at.methods, value, strict=True):
                self.walk(inner, replace(at, method=method))
        elif at.methods and at.sizes and len(value) == len(at.sizes):
            for n, inner in zip(at.sizes, value, strict=True):
                self.walk(inner, replace(at, n=n))
        else:
            for inner in _with_header(value):
                self._row(inner, at)

    def _row(self, value: Any, at: _At) -> None:
        """["naive", 64, 0.003], or [64, 0.003] of a method; else what it is."""
        row = value if isinstance(value, list) else []
        method = next((m for v in row if isinstance(v, str) and (m := method_of(v))), at.method)
        n = next((s for v in row if (s := size_of(v))), None)
        if len(row) > 1 and method and n:
            for number in row:
                if number != n:
                    self.walk(number, replace(at, method=method, n=n))
        else:
            self.walk(value, at)

    def _cell(self, at: _At) -> Timed:
        key = (str(at.method), int(at.n or 0))
        cell = self.cells.setdefault(key, Timed(*key))
        cell.extrapolated |= at.extrapolated
        return cell

    def _number(self, value: Any, at: _At) -> None:
        kind, scale = at.kind or ("bare", 1.0)
        if isinstance(value, str):
            try:
                value = float(value)
            except ValueError:
                return
        if kind == "extrapolated":
            if value not in (None, False, 0):
                self._cell(at).extrapolated = True
            return
        if not _is_number(value) or not math.isfinite(value) or value <= 0:
            return
        cell = self._cell(at)
        if kind == "rate":
            cell.rates.append(value * scale)
        elif kind == "seconds":
            cell.stated.append(value * scale)
        elif kind == "total":
            cell.total = value * scale
        elif kind == "samples":
            cell.samples = max(int(value), cell.samples or 0)
        elif kind == "calls":
            cell.calls = max(1, int(value))
        elif kind == "bare":
            cell.bare.append(value)


def _says_extrapolated(value: Any) -> bool:
    return isinstance(value, str) and "extrapol" in value.casefold() and not re.search(r"\bno[tn]?\b", value)


def _names_method(value: Any) -> bool:
    return isinstance(value, str) and method_of(value) is not None


def _compound(key: str) -> tuple[Any, ...]:
    """(method, N) of a key such as "naive_64" or "('naive', 64)"; else (method,) or ()."""
    words = [w for w in _plain(key).split("_") if w != "n"]
    if len(words) > 1 and (method := method_of("_".join(words[:-1]))) and (n := size_of(words[-1])):
        return method, n
    return ()


def _named(key: str, at: _At, compound: bool) -> _At:
    """What a key adds: a method, an order, a quantity, or two of them."""
    if compound and not at.method and not at.n and (both := _compound(key)):
        return replace(at, method=both[0], n=both[1])
    if not at.method and (method := method_of(key)):
        return replace(at, method=method)
    if not at.n and (n := size_of(key)):
        return replace(at, n=n)
    words = _plain(key).split("_")
    if not at.method:
        for i in range(len(words) - 1, 0, -1):
            for name, what in ((words[:i], words[i:]), (words[i:], words[:i])):
                method, kind = method_of("_".join(name)), _quantity("_".join(what))
                if method and kind:
                    return replace(at, method=method, kind=kind)
    if kind := _quantity(key):
        return replace(at, kind=kind)
    unknown = _SKIP.search(_plain(key)) or not (at.kind or _SUMMARY.fullmatch(_plain(key)))
    return replace(at, kind=("nothing", 0.0)) if unknown and at.method and at.n else at


def _rows(value: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a table that is kept by columns: {"method": [..], "N": [..], "gflops": [..]}, or with an index."""
    columns = {}
    for key, inner in value.items():
        if isinstance(inner, dict) and inner and all(str(k).isdigit() for k in inner):
            inner = list(inner.values())
        if isinstance(inner, list):
            columns[str(key)] = inner
    header, body = columns.get("columns"), columns.get("data") or columns.get("rows")
    if header and body and all(isinstance(row, list) for row in body):
        return [dict(zip(map(str, header), row, strict=False)) for row in body]
    named = next(
        (c for k, c in columns.items() if _METHOD_KEY.fullmatch(_plain(k)) and all(map(_names_method, c))), None
    )
    sized = next((c for k, c in columns.items() if _N_KEY.fullmatch(_plain(k)) and all(map(size_of, c))), None)
    if not named or not sized or len(named) != len(sized) or len(set(named)) == len(named):  # or the axes of an array
        return []
    whole = {k: c for k, c in columns.items() if len(c) == len(named)}
    return [{k: c[i] for k, c in whole.items()} for i in range(len(named))]


def _with_header(value: list[Any]) -> Iterable[Any]:
    """Rows under a first row of column names, as objects; others as they are."""
    first = value[0] if value else None
    if not isinstance(first, list) or not all(isinstance(v, str) for v in first) or len(first) < 3:
        return value
    if any(_N_KEY.fullmatch(_plain(v)) for v in first):
        return [dict(zip(first, row, strict=False)) for row in value[1:] if isinstance(row, list)]
    return value


def read(value: Any) -> list[Timed]:
    """The cells of a document, in the order of N; a ValueError if it is too large to be walked."""
    reader = _Reader()
    reader.walk(value, _At())
    cells = list(reader.cells.values())
    _say_what_bare_numbers_are(cells)
    for cell in cells:
        if len(cell.stated) > 4 and cell.samples is None and not cell.seconds:  # rows, one a sample
            cell.seconds, cell.stated = cell.stated, []
    kept = [c for c in cells if c.rates or c.seconds or c.stated or c.total]
    return sorted(kept, key=lambda c: (c.method, c.n))


def _say_what_bare_numbers_are(cells: Sequence[Timed]) -> None:
    """Numbers without a key are times if they grow with N as work does, and else rates."""
    bare = [c for c in cells if c.bare]
    by_method: dict[str, list[Timed]] = {}
    for c in bare:
        by_method.setdefault(c.method, []).append(c)
    grown = 0
    for own in by_method.values():
        first, last = min(own, key=lambda c: c.n), max(own, key=lambda c: c.n)
        if last.n > first.n:
            grown += 1 if last.bare[0] / first.bare[0] > (last.n / first.n) ** 1.5 else -1
    for c in bare:
        if len(c.bare) > 1 and math.isclose(c.flops / c.bare[0] / 1e9, c.bare[-1], rel_tol=0.05):
            c.stated.append(c.bare[0])  # a time, and the rate that it gives
            c.rates.append(c.bare[-1])
        elif grown > 0:
            (c.seconds if len(c.bare) > 1 else c.stated).extend(c.bare)
        else:
            c.rates += c.bare
