"""A `results.json` in whatever plain layout, read into cells: rows, columns, objects by method and N, arrays.

Nothing here knows one layout by name. Every number is placed by the keys above it: a method, an order N, a quantity.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from labkit.verify.cells import Timed
from labkit.verify.documents import MOST_LEVELS, MOST_VALUES, is_number
from labkit.verify.keys import METHOD_KEY, N_KEY, SKIP, SUMMARY, method_of, plain, quantity, size_of


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
            words = plain(str(key))
            joined = words.replace("_", "")
            if METHOD_KEY.fullmatch(joined) and isinstance(inner, str) and method_of(inner):
                at = replace(at, method=method_of(inner))
            elif METHOD_KEY.fullmatch(joined) and isinstance(inner, list) and inner and all(map(_names_method, inner)):
                at = replace(at, methods=tuple(method_of(m) or "" for m in inner))
            elif N_KEY.fullmatch(joined) and (n := size_of(inner)):
                at = replace(at, n=n)
            elif N_KEY.fullmatch(joined) and isinstance(inner, list) and len(inner) > 1 and all(map(size_of, inner)):
                at = replace(at, sizes=tuple(size_of(n) or 0 for n in inner))
            elif (words == "measured" and inner is False) or _says_extrapolated(inner):
                at = replace(at, extrapolated=True)
            else:
                rest[str(key)] = inner
        compound = any(len(_compound(key)) > 1 and _compound(key)[0] != "blocked" for key in rest)
        for key, inner in rest.items():
            self.walk(inner, _named(key, at, compound))

    def _list(self, value: list[Any], at: _At) -> None:
        numbers = bool(value) and all(v is None or is_number(v) for v in value)
        if at.method and at.n:
            if numbers and len(value) > 1 and at.kind and at.kind[0] in ("seconds", "total"):
                times = [v * at.kind[1] for v in value if v is not None and math.isfinite(v) and v > 0]
                self._cell(at).seconds.extend(times)
                return
            for inner in value:
                self.walk(inner, at)
        elif not at.method and at.methods and (at.n or at.sizes) and len(value) == len(at.methods):
            for method, inner in zip(at.methods, value, strict=True):
                self.walk(inner, replace(at, method=method))
        elif (at.method or at.methods) and at.sizes and len(value) == len(at.sizes):
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
        if not is_number(value) or not math.isfinite(value) or value <= 0:
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
    words = [w for w in plain(key).split("_") if w != "n"]
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
    words = plain(key).split("_")
    if not at.method:
        for i in range(len(words) - 1, 0, -1):
            for name, what in ((words[:i], words[i:]), (words[i:], words[:i])):
                method, kind = method_of("_".join(name)), quantity("_".join(what))
                if method and kind:
                    return replace(at, method=method, kind=kind)
    if kind := quantity(key):
        return replace(at, kind=kind)
    unknown = SKIP.search(plain(key)) or not (at.kind or SUMMARY.fullmatch(plain(key)))
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
    named = next((c for k, c in columns.items() if METHOD_KEY.fullmatch(plain(k)) and all(map(_names_method, c))), None)
    sized = next((c for k, c in columns.items() if N_KEY.fullmatch(plain(k)) and all(map(size_of, c))), None)
    if not named or not sized or len(named) != len(sized) or len(set(named)) == len(named):  # or the axes of an array
        return []
    whole = {k: c for k, c in columns.items() if len(c) == len(named)}
    return [{k: c[i] for k, c in whole.items()} for i in range(len(named))]


def _with_header(value: list[Any]) -> Iterable[Any]:
    """Rows under a first row of column names, as objects; others as they are."""
    first = value[0] if value else None
    if not isinstance(first, list) or not all(isinstance(v, str) for v in first) or len(first) < 3:
        return value
    if any(N_KEY.fullmatch(plain(v)) for v in first):
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
