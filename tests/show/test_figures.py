"""Every figure of made-up records: it draws, tells what the record says, and can be read."""

import io
import itertools
import json
import re

import drawn_texts
import made_up
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from PIL import Image

from labkit.machine.caches import Cache
from labkit.records import derive
from labkit.records.compare import compare
from labkit.records.model import Ceiling, Rate, Ridge
from labkit.roofline.kernels import place
from labkit.show import canvas, styles
from labkit.show.figures import bandwidth, comparison, ladder, perf, repeat, roofline, samples

LONG = "Intel(R) Xeon(R) Platinum 8488C CPU @ 2.40GHz, with $more$ <b>than</b> & a usual name"
ALL = list(made_up.RATES)


def named(measurement, name):
    return msgspec.structs.replace(measurement, short_name=name)


def with_flags(run):
    """One with a noisy and an invalid cell."""
    run.analysis.cell("einsum", 64).noisy = True
    run.analysis.cell("matmul", 128).invalid = ["above the peak"]
    return run


RUNS = {
    "usual": lambda: [made_up.run()],
    "noisy and invalid": lambda: [with_flags(made_up.run(made_up.measurement(complete=False, quick=True)))],
    "partial": lambda: [made_up.run(made_up.measurement(complete=False, up_to=64))],
    "one method": lambda: [made_up.run(made_up.measurement(methods=["matmul"]))],
    "loops only": lambda: [made_up.run(made_up.measurement(methods=["naive", "blocked"]))],
    "three sizes": lambda: [made_up.run(made_up.measurement(sizes=(64, 128, 256)))],
    "one size": lambda: [made_up.run(made_up.measurement(sizes=(100,)))],
    "eight sizes, all methods, a long name": lambda: [
        made_up.run(named(made_up.measurement((16, 48, 64, 96, 128, 500, 512, 2048), ALL), LONG))
    ],
    "a slow core whose memory limit is near its curves": lambda: [
        made_up.run(made_up.measurement(gflops={"einsum": 5.2, "matmul": 6.0}))
    ],
    "an interpreter so slow that the axis has wide numbers": lambda: [
        made_up.run(made_up.measurement(gflops={"naive": 0.0002, "blocked": 0.00019}))
    ],
    "several": lambda: several(),
}


def several():
    slow = made_up.measurement(gflops={"matmul": 40.0, "einsum": 9.0, "naive": 0.003})
    few = made_up.measurement(sizes=(64, 128), up_to=64, methods=["naive", "matmul"])
    return [made_up.run(name="a CPU"), made_up.run(slow, name=LONG), made_up.run(few, name="c")]


def core(levels=None, ceilings=None):
    """A roofline with these bandwidths and ceilings."""
    record = made_up.roofline()
    peak = record.peak.fp32_fma_gflops.best
    if levels:
        record.ridge = [Ridge(level=level, flop_per_byte=peak / gbs, gbs=gbs) for level, gbs in levels.items()]
        record.levels = [Cache(k, 1 << (10 + 5 * k), 1) for k in range(1, len(levels))]
    if ceilings:
        record.ceilings = [Ceiling(name=name, gflops=Rate.of([gflops] * 6)) for name, gflops in ceilings.items()]
    return record


EPYC = {"L1": 270.0, "L2": 116.0, "L3": 98.0, "DRAM": 45.0}
SAME = {"scalar": 12.5, "128-bit": 50.0, "256-bit": 100.9, "no FMA": 101.0, "FMA + ADD": 150.0}
ROOFLINES = {
    "alone": lambda: (core(), None),
    "with a benchmark": lambda: (core(), made_up.results()),
    "all measured": lambda: (core(), made_up.results(up_to=1024)),
    "four near levels, ceilings at the peak": lambda: (core(EPYC, SAME), made_up.results()),
    "near the DRAM limit": lambda: (core({"L1": 40.0, "DRAM": 20.0}), made_up.results(gflops={"matmul": 18.0})),
}


def roofline_of(name):
    record, results = ROOFLINES[name]()
    return record, place(record, results)


def data(drawing):
    """What the PNG carries, where no text covers another or leaves the picture."""
    assert drawn_texts.overlaps(drawing) == []
    with Image.open(io.BytesIO(canvas.png(drawing))) as image:
        assert image.text["Title"] == drawing.title
        assert "Software" not in image.text
        return json.loads(image.text["Description"])


def rows(drawing, table):
    """The facts of a table, each with its place, as the PNG carries them."""
    return [row for row in data(drawing)["values"] if row["table"] == table]


def said(drawing):
    return [text for text, _ in drawn_texts.drawn(drawing.figure)]


# --- what is shown is the record ------------------------------------------------------------------------


@pytest.mark.parametrize("name", RUNS)
def test_perf_tells_every_cell_of_the_record(name):
    runs = RUNS[name]()
    drawing = perf.draw(runs)
    told = [(p.tags["method"], p.x, p.y) for p in drawing.points if "cell" in p.facts]
    cells = [(c.method, c.n, c.gflops.median) for run in runs for c in run.analysis.cells]
    if len(runs) == 1:
        assert sorted(told) == sorted(cells)
    else:  # of several none stands exactly where another does, whatever their rates
        assert sorted(y for *_, y in told) == sorted(y for *_, y in cells)
        assert len(set(told)) == len(told)
    found = data(drawing)
    if len(runs) == 1:
        shown = {(m, p["n"]): (p["gflops"], p["low"], p["high"]) for m, c in found["curves"].items() for p in c}
        again = derive.derive(runs[0].results).cells
        assert shown == {(c.method, c.n): (c.gflops.median, c.gflops.low, c.gflops.high) for c in again}
        assert found["roof"]["peak_gflops"] == runs[0].results.roof.peak_gflops


def test_perf_names_the_machine_the_crossover_and_what_its_markers_mean():
    drawing = perf.draw(RUNS["noisy and invalid"]())
    assert drawing.title == "Matmul performance on a CPU, fp32, single-threaded"
    marked = ("noisy", "cannot be true", "partial", "extrapolated")
    for words in ("N* = 30", "100 GFLOPS", "0.25 flop/byte = 5.00 GFLOPS", *marked):
        assert words in " ".join(said(drawing))
    assert not any(words in " ".join(said(perf.draw(RUNS["three sizes"]()))) for words in marked)


@pytest.mark.parametrize("interpreted", [0.004, 0.0002, 0.00003])
def test_the_peak_s_label_covers_no_curve_however_slow_the_interpreter_is(interpreted):
    rates = {"naive": interpreted, "blocked": interpreted, "matmul": 80.0}
    drawing = perf.draw([made_up.run(made_up.measurement((16, 32, 64, 128, 256, 512, 1024, 2048), gflops=rates))])
    (label,) = (box for said, box in drawn_texts.drawn(drawing.figure) if "FMA peak" in said)
    heights = [p.axes.transData.transform((p.x, p.y))[1] for p in drawing.points if p.tags]
    assert not any(label.y0 - 5 < y < label.y1 + 5 for y in heights)


def test_an_extrapolated_cell_is_hollow_a_noisy_one_pale_and_an_invalid_one_crossed_out():
    (axes,) = perf.draw([with_flags(made_up.run())]).figure.axes
    faces = {
        (line.get_xdata()[0], line.get_marker()): to_hex(line.get_markerfacecolor()).upper()
        for line in axes.get_lines()
        if len(line.get_xdata()) == 1
    }
    assert faces[1024, "v"] == styles.WHITE
    assert faces[512, "v"] == styles.METHODS["naive"].colour
    assert faces[64, "s"] == styles.pale(styles.METHODS["einsum"].colour)
    assert [n for n, marker in faces if marker == "x"] == [128]


@pytest.mark.parametrize("name", ROOFLINES)
def test_the_roofline_shows_every_limit_and_kernel_where_it_is(name):
    record, kernels = roofline_of(name)
    drawing = roofline.draw(record, kernels)
    peak = record.peak.fp32_fma_gflops.best
    limits = rows(drawing, "Limits in the core")
    assert [limit["y"] for limit in limits] == [peak, *(c.gflops.best for c in record.ceilings)]
    levels = {row["level"]: (row["x"], row["y"]) for row in rows(drawing, "Levels of memory")}
    assert levels == {r.level: (r.flop_per_byte, peak) for r in record.ridge}
    points = {p.tags["kernel"]: p for p in drawing.points if p.tags}
    # A product stands at its compulsory traffic, nothing to the right of it. A copy does no flops: it has no place.
    ends = {k.name: k.intensity_high or k.intensity for k in kernels if k.gbs is None}
    assert {name: point.x for name, point in points.items()} == ends
    assert all(points[k.name].y == k.gflops for k in kernels if k.gbs is None)
    lines = drawing.figure.axes[0].get_lines()
    assert max(x for line in lines if line.get_marker() != "None" for x in line.get_xdata()) == max(ends.values())


def test_ceilings_at_one_height_share_a_name_and_each_name_gives_the_height_of_its_line():
    drawing = roofline.draw(*roofline_of("four near levels, ceilings at the peak"))
    assert {"256-bit, no FMA 101", "scalar 12.5", "128-bit 50.0", "FMA + ADD 150", "AVX2 FMA 101"} <= set(said(drawing))


@pytest.mark.parametrize("levels", [None, EPYC])
def test_the_bandwidths_are_those_of_the_record(levels):
    record = core(levels)
    assert [(row["x"], row["y"]) for row in data(bandwidth.draw(record))["values"]] == [
        *((s.working_set_bytes, s.gbs.best) for s in record.working_sets),
        *((s.accumulators, s.gflops) for s in record.peak.sweep),
    ]


def test_the_ladder_shows_each_step_with_its_rate_factor_and_fraction():
    record = msgspec.structs.replace(made_up.ladder(), short_name=LONG)
    drawing = ladder.draw(record)
    steps = [rung.name for rung in record.rungs if rung.kind == "step"]
    told = {row["rung"]: row for row in rows(drawing, "Rungs")}
    assert {name: row["x"] for name, row in told.items()} == {
        name: record.cell(name, record.n).alone.gflops.value for name in steps
    }
    assert told["compiled"]["factor"].startswith("100×")
    assert told["matmul"]["fraction of peak"].startswith("80.0 %")
    assert sum(text.startswith("100× (") for text in said(drawing)) == 1
    assert len(drawing.points) == len(steps) * (1 + len(record.sizes))


@pytest.mark.parametrize(
    ("runs", "busy", "pythons"), [(5, True, ("3.11.7",)), (2, False, ("3.11.7", "3.12.1")), (9, True, ("3.13.0",))]
)
def test_repeated_runs_are_shown_from_their_own_median(runs, busy, pythons):
    record = made_up.repeat(runs, busy, pythons)
    first = [row for row in rows(repeat.draw(record), "GFLOPS over runs") if row["cell"] == "np.matmul, N = 512"]
    assert len(first) == len(record.runs)
    assert {row["run"].split()[2].rstrip(",") for row in first} == set(pythons)
    assert sum("beside a busy process" in row["run"] for row in first) == busy
    places = [row["y"] for row in first]
    assert max(places) - min(places) == pytest.approx(1.0, abs=0.02)


def test_a_comparison_shows_every_run_under_every_method_and_says_what_is_missing():
    drawing = comparison.draw(compare(several()))
    found = {(row["cell"], row["run"]): row["x"] for row in rows(drawing, "GFLOPS")}
    assert found["np.matmul, N = 128", LONG] == pytest.approx(40.0, rel=0.01)
    assert {run for _, run in found} == {"a CPU", LONG, "c"}
    assert ("einsum, N = 1024", "c") not in found
    assert said(drawing).count("missing") == 2 * (3 * len(made_up.METHODS) - len(found))


# --- how it looks ---------------------------------------------------------------------------------------


def test_a_method_has_the_tables_colour_and_marker_in_every_figure():
    for drawing, method in itertools.product(all_drawings()[1:], made_up.METHODS):
        style = styles.METHODS[method]
        lines = [line for axes in drawing.figure.axes for line in axes.get_lines() if line.get_gid()]
        own = [line for line in lines if f"={method}" in line.get_gid() and line.get_marker() in "os^v"]
        assert {line.get_color().upper() for line in own} <= {style.colour}


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(a, b):
    dark, light = sorted((luminance(a), luminance(b)))
    return (light + 0.05) / (dark + 0.05)


def test_text_of_every_colour_can_be_read_on_light_and_on_dark_paper():
    pairs = {n: (a, b) for n, a, b in re.findall(r"--(\w+): light-dark\((#\w+), (#\w+)\)", styles.variables())}
    light, dark = pairs.pop("paper")
    pairs.pop("line")
    assert len(pairs) == 9
    for on_light, on_dark in pairs.values():
        assert contrast(on_light, light) >= 4.5
        assert contrast(on_dark, dark) >= 4.5


def test_no_two_methods_and_no_two_colours_look_alike():
    looks = [(style.colour, style.marker) for style in styles.METHODS.values()]
    assert len(set(looks)) == len(looks)
    assert len({styles.ink(colour) for colour in styles.COLOURS}) == len(styles.COLOURS) == 7


# --- as a part of a page --------------------------------------------------------------------------------


def all_drawings():
    record, kernels = roofline_of("with a benchmark")
    return [
        perf.draw(several()),
        perf.draw([made_up.run()]),
        roofline.draw(record, kernels),
        bandwidth.draw(record),
        ladder.draw(made_up.ladder()),
        repeat.draw(made_up.repeat()),
        comparison.draw(compare(several())),
    ]


def test_in_a_page_colours_follow_the_theme_series_name_their_tags_and_points_lie_inside():
    ids = []
    for drawing in all_drawings():
        svg = canvas.svg(drawing, str(len(ids)))
        assert svg.startswith("<svg viewBox=")
        assert not re.findall(r"#[0-9a-f]{6}\b", svg)
        width, height = map(float, re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)[0])
        assert all(0 <= x <= width and 0 <= y <= height for x, y in canvas.places(drawing))
        for tag, options in drawing.choices.items():
            for value in options:
                assert f'data-{tag}="{canvas.slug(value)}"' in svg
                assert any(p.tags.get(tag) == value for p in drawing.points)
        ids += re.findall(r'id="([^"]*)"', svg)
    assert len(set(ids)) == len(ids)


def test_a_point_stands_on_its_marker_in_the_svg():
    drawing = perf.draw([made_up.run()])
    svg = canvas.svg(drawing)
    placed = {(round(float(x)), round(float(y))) for x, y in re.findall(r'<use [^>]*x="([\d.]+)" y="([\d.]+)"', svg)}
    cells = [place for place, p in zip(canvas.places(drawing), drawing.points, strict=True) if "cell" in p.facts]
    assert len(cells) == 20
    assert all(any(abs(x - u) <= 1 and abs(y - v) <= 1 for u, v in placed) for x, y in cells)


# --- labels apart ---------------------------------------------------------------------------------------

places = st.lists(st.floats(-1e4, 1e4), max_size=12)
TOLERANCE = 1e-6


@settings(deadline=None)
@given(places, st.floats(0.1, 100))
def test_moved_labels_keep_their_order_stand_a_gap_apart_and_move_no_further_than_they_must(positions, gap):
    moved = canvas.spread_apart(positions, gap)
    order = sorted(range(len(positions)), key=lambda i: positions[i])
    block = []
    for i, following in itertools.zip_longest(order, order[1:]):
        block.append(i)
        if following is not None:
            assert moved[following] - moved[i] >= gap - TOLERANCE
            if moved[following] - moved[i] <= gap + TOLERANCE:
                continue
        # A block that touches has the mean that its members wanted, and none of its lower parts would rather go up.
        pulls = [moved[k] - positions[k] for k in block]
        assert sum(pulls) == pytest.approx(0, abs=len(block) * TOLERANCE)
        assert all(sum(pulls[:k]) <= TOLERANCE * len(block) for k in range(len(block)))
        block = []


def test_a_push_that_reaches_the_next_label_moves_that_one_too():
    assert canvas.spread_apart([], 2.0) == []
    assert canvas.spread_apart([5.0, 100.0, 5.0], 2.0) == [4.0, 100.0, 6.0]
    assert canvas.spread_apart([0.0, 3.0, 3.0, 3.0], 2.0) == pytest.approx([-0.75, 1.25, 3.25, 5.25])


def test_every_sample_of_every_cell_is_drawn_in_order_and_one_beyond_the_axis_stands_at_its_edge():
    m = made_up.measurement()
    next(s for s in m.samples if (s.name, s.n) == ("matmul", 64)).cpu_seconds[3] /= 50
    run = made_up.run(m)
    drawing = samples.draw(run)
    cells = {f"{styles.of_method(c.method).name}, N = {c.n}" for c in run.analysis.cells if not c.extrapolated}
    told = {name: [p for p in drawing.points if p.facts["cell"] == name] for name in cells}
    for points in told.values():
        assert len(points) == made_up.SAMPLES
        assert [p.x for p in points] == sorted(p.x for p in points)
        assert all(p.axes.get_ylim()[0] <= p.y <= p.axes.get_ylim()[1] for p in points)
    out = told["np.matmul, N = 64"][3]
    assert float(out.facts["of that alone"].split()[0]) > 10 * out.y
