"""Is perf.png a figure of this record? It opens, and carries the data of its curves, which are the record's."""

import io
import json
import math
import warnings
from collections.abc import Iterator
from typing import Any

from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngImageFile

from labkit.verify import requirements as lab
from labkit.verify.outcome import Check, met, not_met, of_faults, unknown
from labkit.verify.shapes import Results
from labkit.verify.submission import Submission

# Below this no five curves with their labels can be read.
LEAST_WIDTH, LEAST_HEIGHT = 400, 300
# A figure of lines and letters has dozens of shades; a blank page one.
LEAST_COLOURS = 8
MOST_PIXELS = 50_000_000
_SAME = 1e-6
_NAMES = ("figure", "figure's title", "figure's curves", "figure's roof")


def checks(given: Submission) -> Iterator[Check]:
    """The picture, then the data in it."""
    if "perf.png" not in given.files:
        yield not_met(_NAMES[0], f"perf.png {given.faults['perf.png']}")
        yield from (unknown(name, "there is no figure") for name in _NAMES[1:])
        return
    picture, fault = _opened(given.files["perf.png"])
    if picture is None:
        yield not_met(_NAMES[0], f"perf.png {fault}")
        yield from (unknown(name, "the figure cannot be read") for name in _NAMES[1:])
        return
    yield met(_NAMES[0], f"a picture of {picture.width} x {picture.height} pixels")
    data = _embedded(picture)
    if data is None:
        why = "perf.png carries no data of its curves (figures drawn by this repository do): look at it"
        yield from (unknown(name, why) for name in _NAMES[1:])
        return
    yield _title(data, given)
    if given.results is None:
        yield from (unknown(name, "results.json cannot be read") for name in _NAMES[2:])
        return
    yield of_faults(
        _NAMES[2], list(_curve_faults(data, given.results)), "they are the cells of results.json, on log axes"
    )
    yield of_faults(_NAMES[3], list(_roof_faults(data, given.results)), "it is drawn at the measured peak")


def _opened(raw: bytes) -> tuple[PngImageFile | None, str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(raw), formats=["PNG"])
            if picture.width * picture.height > MOST_PIXELS:
                return None, f"has {picture.width} x {picture.height} pixels: draw it smaller"
            picture.load()
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError, Warning):
        return None, "is no PNG that can be read: draw it again"
    assert isinstance(picture, PngImageFile)
    if picture.width < LEAST_WIDTH or picture.height < LEAST_HEIGHT:
        return None, f"has only {picture.width} x {picture.height} pixels: draw it larger"
    colours = picture.convert("RGB").getcolors(maxcolors=1 << 24) or []
    if len(colours) < LEAST_COLOURS:
        return None, "is blank: draw it again"
    return picture, ""


def _embedded(picture: PngImageFile) -> dict[str, Any] | None:
    """The data in the file's description; None if there is none."""
    try:
        data = json.loads(picture.text.get("Description", ""))
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) and isinstance(data.get("curves"), dict) else None


def _title(data: dict[str, Any], given: Submission) -> Check:
    title = str(data.get("title", ""))
    faults = [f"it does not say {word!r}" for word in ("fp32", "single-threaded") if word not in title]
    machine = given.manifest.hardware if given.manifest else None
    names = [name for name in (machine.short_name, machine.cpu) if name] if machine else []
    if names and not any(name in title for name in names):
        faults.append(f"it does not name the machine, {names[0]}")
    return of_faults(_NAMES[1], faults, title)


def _curve_faults(data: dict[str, Any], results: Results) -> Iterator[str]:
    curves = data["curves"]
    yield from (f"there is no curve of {method}" for method in lab.METHODS if method not in curves)
    axes = data.get("axes", {})
    if not isinstance(axes, dict):
        yield "its axes cannot be told"
    elif axes and (axes.get("x"), axes.get("y")) != ("log", "log"):
        yield f"its axes are {axes.get('x')} and {axes.get('y')}: the lab asks for logarithmic ones"
    for method, points in curves.items():
        if not isinstance(points, list) or not all(isinstance(p, dict) and isinstance(p.get("n"), int) for p in points):
            yield f"the curve of {method} is no list of points"
            continue
        cells = {cell.n: cell for cell in results.cells if cell.method == method}
        drawn: dict[int, dict[str, Any]] = {p["n"]: p for p in points}
        if sorted(p["n"] for p in points) != sorted(cells):
            yield f"the curve of {method} has not the points of the record, N = {sorted(cells)}"
            continue
        for n, cell in cells.items():
            if not _same(drawn[n].get("gflops"), cell.gflops.median):
                yield f"{cell.name} is drawn at {drawn[n].get('gflops')} GFLOPS, not at {cell.gflops.median:.5g}"
            elif bool(drawn[n].get("extrapolated")) != cell.extrapolated:
                yield f"{cell.name} is drawn as {'' if drawn[n].get('extrapolated') else 'not '}extrapolated"


def _roof_faults(data: dict[str, Any], results: Results) -> Iterator[str]:
    roof = data.get("roof")
    if not isinstance(roof, dict):
        yield "no roof is drawn over the curves"
        return
    for name, value in (("peak_gflops", results.roof.peak_gflops), ("crossover_n", results.roof.crossover_n)):
        if not _same(roof.get(name), value):
            yield f"its {name} is {roof.get(name)}, the record's {value:.5g}"


def _same(drawn: object, recorded: float) -> bool:
    # An integer of a thousand digits is no rate, and no float either.
    return isinstance(drawn, int | float) and abs(drawn) < 1e18 and math.isclose(drawn, recorded, rel_tol=_SAME)
