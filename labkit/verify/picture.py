"""Demands D1 to D3: perf.png is a picture, and where it carries the data of its curves, they are the record's."""

import json
import zlib
from collections.abc import Iterator
from typing import Any

from labkit.verify.outcome import Check, judge, unequal
from labkit.verify.submission import Submission

LEAST_WIDTH, LEAST_HEIGHT, MOST_PIXELS = 400, 300, 50_000_000  # below, no curves with labels can be read
PICTURE, CURVES, ROOF, TITLE = NAMES = (
    "D1 perf.png is a figure",
    "D1 the curves are the record's",
    "D2 the roof is drawn",
    "D3 the title",
)


def checks(given: Submission) -> Iterator[Check]:
    """The picture, then the data in it. It is not decoded, so that none is too large."""
    data, unknown = None, "it carries no data of its curves, as figures of labkit do: look at it"
    try:
        if "perf.png" not in given.files:
            raise ValueError(given.faults["perf.png"])
        width, height, data = read_png(given.files["perf.png"])
        faults = [f"it has only {width} x {height} pixels"] if width < LEAST_WIDTH or height < LEAST_HEIGHT else []
        faults += [f"it has {width} x {height} pixels: draw it smaller"] if width * height > MOST_PIXELS else []
        yield judge(PICTURE, faults, f"a PNG of {width} x {height} pixels")
    except ValueError as error:
        yield Check(PICTURE, False, f"perf.png {error}: draw it again")
        unknown = "the figure cannot be read"
    if not data or not given.results:
        yield from (Check(name, None, "results.json has another layout" if data else unknown) for name in NAMES[1:])
        return
    results, logarithmic = given.results[0], {"x": "log", "y": "log"}
    drawn: dict[str, Any] = {"axes": data.get("axes", logarithmic)}
    wanted: dict[str, Any] = {"axes": logarithmic}
    for method, points in data["curves"].items():
        drawn[method] = {f"N = {p['n']}": {name: p.get(name) for name in ("gflops", "extrapolated")} for p in points}
    for cell in results.cells:
        wanted.setdefault(cell.method, {})[f"N = {cell.n}"] = {
            "gflops": cell.gflops.median,
            "extrapolated": cell.extrapolated,
        }
    yield judge(CURVES, unequal(drawn, wanted), "its data are the cells of results.json")
    roof = {name: getattr(results.roof, name) for name in ("peak_gflops", "crossover_n")}
    drawn = data.get("roof") or {}
    faults = list(unequal({name: drawn.get(name) for name in roof}, roof))
    yield judge(ROOF, faults, "at the record's peak, with the crossover")
    title = str(data.get("title"))
    silent = [f"it does not say {w!r}" for w in ("fp32", "single-threaded", results.short_name) if w not in title]
    yield judge(TITLE, silent, title)


def read_png(raw: bytes) -> tuple[int, int, dict[str, Any] | None]:
    """(width, height, data in the description, if any) of a PNG; a ValueError if it is none, or not whole."""
    if not raw.startswith(b"\x89PNG\r\n\x1a\n"):
        raise ValueError("is no PNG")
    at, bodies = 8, dict[bytes, bytes]()
    while at < len(raw):
        length, kind = int.from_bytes(raw[at : at + 4]), raw[at + 4 : at + 8]
        body, check = raw[at + 8 : at + 8 + length], raw[at + 8 + length : at + 12 + length]
        if len(check) < 4 or zlib.crc32(kind + body) != int.from_bytes(check):
            raise ValueError("is cut off or damaged")
        bodies[body[:12] if kind == b"tEXt" else kind] = body
        at += 12 + length
    if not bodies.keys() >= {b"IHDR", b"IDAT", b"IEND"}:
        raise ValueError("has no picture in it")
    try:
        data = json.loads(bodies.get(b"Description\0", b"")[12:])
    except (ValueError, RecursionError):
        data = None
    width, height = (int.from_bytes(bodies[b"IHDR"][i : i + 4]) for i in (0, 4))
    return width, height, data if isinstance(data, dict) and isinstance(data.get("curves"), dict) else None
