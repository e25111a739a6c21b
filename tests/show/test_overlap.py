"""No text of a figure covers another, a marker or an axis, whatever the record."""

import itertools

import compared
import made_up
import pytest
from drawn_texts import overlaps

from labkit.records.compare import compare
from labkit.roofline import derive
from labkit.roofline.kernels import place
from labkit.show.figures import bandwidth, comparison, history, ladder, limits, misses, perf, repeat, roofline, samples

LONG = "Intel Xeon Platinum 8488C with a name that goes on and on"
THREE, EIGHT = (64, 256, 1024), (32, 64, 100, 128, 256, 512, 1000, 1024)
SLOW = {name: rate / 30 for name, rate in made_up.RATES.items()}
FAST = {"matmul": 96.0, "einsum": 60.0, "einsum_optimized": 95.0, "naive": 0.03, "blocked": 0.031}
RATES = ({}, SLOW, FAST, {"einsum": 79.0}, {"einsum": 5.0})  # einsum by BLAS, and at the memory limit


def noisy(**options):
    run = made_up.measurement(**options)
    run.readings = made_up.readings(contended=range(0, made_up.READINGS, 3))
    for s in run.samples:
        s.seconds = [t * (1.6 if i % 3 == 0 else 1) for i, t in enumerate(s.seconds)]
    return run


def run(name="a CPU", **options):
    made = made_up.run(made_up.measurement(**options))
    made.results.short_name = name
    return made


def measured_roofline(peak=1.0, dram=1.0, name="a CPU"):
    """Every rate of the core so many times as high, every bandwidth of memory too."""
    m = made_up.roofline_measurement(made_up.DRAM * dram)
    m.short_name = name
    for s in m.samples:
        if s.name.startswith(("peak", "ceiling", "sweep 8", "matmul", "einsum")):
            s.seconds = [t / peak for t in s.seconds]
    return derive.derive(m)


def rooflines():
    for i, (peak, dram) in enumerate(itertools.product((0.3, 1.0, 3.0), (0.3, 1.0, 4.0))):
        found = measured_roofline(peak, dram, LONG if i % 2 else "a CPU")
        yield roofline.draw(found, place(found))
        yield bandwidth.draw(found)
    for sizes in (THREE, EIGHT):
        yield from misses.drawings(made_up.traffic(sizes)).values()
    found = measured_roofline()
    yield roofline.draw(found, place(found, made_up.results()), made_up.traffic())
    for rates in RATES:
        yield roofline.draw(found, place(found, made_up.results(gflops=rates)))


def ladders():
    for sizes, name in itertools.product((THREE, made_up.SIZES), ("a CPU", LONG)):
        yield ladder.draw(ladder_of(sizes, name))
    rivals, mine = list(made_up.OTHERS)[:4], list(made_up.OTHERS)[4:]
    for others, cores in ((rivals, 1), (mine, 1), ([], 2), (made_up.OTHERS, 64)):
        yield ladder.draw(ladder_of(EIGHT, LONG, others, cores))


def ladder_of(sizes, name, others=(), cores=1):
    m = made_up.ladder_measurement(sizes, others, cores)
    m.short_name = name
    return made_up.ladder_derive.derive(m)


def curves():
    for sizes, rates in itertools.product((THREE, EIGHT, made_up.SIZES), RATES):
        yield perf.draw([run(sizes=sizes, gflops=rates)])
    for rates in RATES:
        yield limits.draw(run(gflops=rates))
        yield perf.draw([made_up.run(noisy(sizes=EIGHT, gflops=rates))])
    for methods in itertools.combinations(("naive", "einsum", "matmul"), 2):
        yield perf.draw([run(LONG, methods=methods, complete=False, quick=True, up_to=128)])
    yield perf.draw([made_up.run(made_up.measurement(), name=f"run {i}") for i in range(4)])
    for many in (5, 12):
        yield perf.draw_each([made_up.run(made_up.measurement(), name=f"{LONG} {i}") for i in range(many)])


def others():
    for runs, busy, pythons in ((5, True, ("3.11.7",)), (2, False, ("3.11.7", "3.12.1")), (9, True, ("3.13.0",))):
        yield repeat.draw(made_up.repeat(runs, busy, pythons))
    for made in (run(LONG), made_up.run(noisy(sizes=EIGHT)), run(methods=("matmul",))):
        yield samples.draw(made)
    for many in (2, 5):
        yield comparison.draw(compare([compared.run(f"{LONG} {i}") for i in range(many)]))
    dated = [compared.run(f"run {i}", numpy="2.4.6" if i < 4 else "2.5.0") for i in range(9)]
    for i, one in enumerate(dated, 1):
        one.manifest.created = f"2026-01-{i:02d}T10:00:00+00:00"
    yield history.draw(history.in_order(dated))


@pytest.mark.parametrize("kind", [curves, rooflines, ladders, others], ids=lambda kind: kind.__name__)
def test_no_text_covers_another_or_a_marker_whatever_the_record(kind):
    many = 0
    for drawing in kind():
        many += 1
        assert not overlaps(drawing), drawing.title
    assert many >= 6


def test_a_text_that_covers_another_is_found():
    drawing = bandwidth.draw(made_up.roofline())
    drawing.figure.text(0.012, 0.96, "on the title")
    assert overlaps(drawing)
