"""Every number of a page is its record's, and the prose follows the record, whatever the run had."""

import itertools
import re

import made_up
import msgspec
import pytest

from labkit.records.model import Instructions, Ridge, SeveralCores
from labkit.roofline.kernels import place
from labkit.show import pages
from labkit.show.numbers import times


def flowing(page: str) -> str:
    return " ".join(page.split())


def changed(record, **fields):
    return msgspec.structs.replace(record, **fields)


def cores(*peaks):
    return [SeveralCores(cores=i, gflops=[peak], gbs=[20.0]) for i, peak in enumerate(peaks, 1)]


def page(measurement=None, **more) -> str:
    return pages.matmul_page(made_up.run(measurement, **more))


def roofline_page(record, results=None, manifest=None) -> str:
    return pages.roofline_page(record, manifest or made_up.manifest("01-roofline"), place(record, results))


def ladder_page(record) -> str:
    return pages.ladder_page(record, made_up.manifest("03-speedup-ladder"))


@pytest.mark.parametrize(
    "written",
    [
        page(),
        page(ladder=made_up.ladder(), repeat=made_up.repeat()),
        roofline_page(made_up.roofline()),
        ladder_page(made_up.ladder()),
        pages.repeat_page(made_up.repeat(pythons=("3.11.7", "3.12.1"))),
    ],
    ids=["matmul", "matmul with a ladder and repeats", "roofline", "ladder", "repeat"],
)
def test_a_page_is_whole_markdown(written):
    assert not re.search(r"{{|}}|{%|%}|None|undefined|\bnan\b|  +\|$", written)
    assert not re.search(r"\n\n\n", written)
    assert written.endswith(".\n")
    for head, rule in itertools.pairwise(written.splitlines()):
        if re.fullmatch(r"[|\-: ]+", rule) and "---" in rule:
            assert len(re.findall(r"(?<!\\)\|", head)) == rule.count("|"), head


# --- the benchmark -------------------------------------------------------------------------------------


def test_each_of_the_four_answers_stands_under_its_question_and_begins_with_the_records_number():
    begins = ("**20,000×**", "**4,000×** by compiling", "**80.0 %**", "**0.975×**")
    for number, says in enumerate(begins, 1):
        answer = re.search(rf"^\*\*{number}\. [^\n]*\?\*\*\n\n({re.escape(says)}.*)", page(), re.M)
        assert answer, says
        assert len(answer[1].split()) <= 30  # one sentence that can be quoted


def same_bits(*methods):
    run = made_up.measurement()
    run.agreement.methods["einsum"].bit_identical_to = list(methods)
    return run


FASTER = made_up.measurement(gflops={"blocked": 0.006, "matmul": 12.0})
UNFINISHED, QUICK = made_up.measurement(complete=False), made_up.measurement(complete=False, quick=True)


@pytest.mark.parametrize(
    ("run", "says"),
    [
        (None, "between 4.0 and 171 flop/byte"),  # 80 / 20, 1024 / 6
        (None, "N* = 6 peak / b = 30"),
        (None, "**0.975×** the speed of `naive`: no difference is resolved"),
        (None, "| 1024 | 4.00 MFLOPS † | 3.90 MFLOPS † | 16.0 GFLOPS | 80.0 GFLOPS |"),
        (None, "| `np.matmul` | 1024 | 80.0 GFLOPS | 80.0 % ("),
        (None, "`naive` at 1024 from 512"),
        (None, "takes 26.8 ms, the loop in Python 537 s, extrapolated"),
        (None, "N = 512 is the largest size at which both were run"),
        (FASTER, "**1.50×** the speed of `naive`: yes, it is faster, at N = 512."),
        (FASTER, "Caches cannot explain a difference of this size"),
        (FASTER, "nothing more by the BLAS"),
        (FASTER, "no faster than the compiled loop (0.750×)"),
        (same_bits("naive"), "it does not: its result has the bits of `naive`"),
        (same_bits("matmul"), "this run does not contradict it"),
        (same_bits(), "The bits of this run cannot show it"),
        (UNFINISHED, "**This is an unfinished run**: what was not measured is extrapolated and marked. The same"),
        (QUICK, "**This is a quick run**"),
    ],
)
def test_the_page_follows_its_record(run, says):
    assert says in flowing(page(run))


def test_nothing_is_told_that_was_not():
    text = flowing(page())
    assert not re.search("unfinished|repeat.md|speedup-ladder|noisy", text)
    with_both = flowing(page(made_up.measurement(up_to=1024), ladder=made_up.ladder(), repeat=made_up.repeat()))
    assert "| unit stride | 9.25× (" in with_both
    assert "(repeat.md)" in with_both
    assert "extrapolated" not in with_both


@pytest.mark.parametrize("methods", [c for k in (1, 2, 3) for c in itertools.combinations(made_up.METHODS, k)])
def test_a_run_without_some_methods_has_a_page_all_the_same(methods):
    written = page(made_up.measurement(sizes=(64,), methods=methods))
    assert not re.search(r"None|undefined|\bnan\b", written)
    if "matmul" not in methods or "naive" not in methods:
        assert "This run does not have both `naive` and `np.matmul`" in written


def test_a_disturbed_run_says_so_before_its_numbers_and_names_the_cells():
    run = made_up.measurement()
    for series in run.samples:
        series.cpu_seconds = [0.95 * s for s in series.seconds]
    written = page(run)
    assert written.index("276 of 276 samples were preempted") < written.index("**1. ")
    assert "| `naive` at N = 512 | 12 | 12 of 12 samples were preempted |" in written


def test_a_run_that_never_had_the_core_to_itself_gives_bounds_and_no_interval():
    run = made_up.measurement()
    run.readings = made_up.readings(contended=range(made_up.READINGS))
    written = page(run)
    assert "**The core was shared 100 % of the time**" in written
    first, third = (re.search(rf"^\*\*{i}\. .*\n\n(.*)", written, re.M)[1] for i in (1, 3))
    assert re.match(r"\*\*[\d,]+× to [\d,]+×\*\*", first)
    assert third.startswith("**At least ")
    assert "| ≥ 80" in written


def test_a_cell_that_cannot_be_true_is_named_first_and_marked_in_the_table_and_no_answer_rests_on_it():
    written = page(made_up.measurement(gflops={"matmul": 130.0}))
    assert written.index("**Invalid**: `np.matmul` at N = 1024 cannot be true") < written.index("| N |")
    assert "130 GFLOPS (invalid)" in written
    assert written.count("Withheld") == 3


def test_a_warning_of_the_manifest_and_too_few_samples_are_told():
    manifest = made_up.manifest(config={"warnings": ["two threads are allowed"]})
    assert "**Not the assignment's protocol**: two threads are allowed" in page(manifest=manifest)
    run = made_up.measurement(up_to=1024)
    once = next(s for s in run.samples if (s.name, s.n) == ("naive", 1024))
    for column in ("rounds", "calls", "seconds", "cpu_seconds", "steal_seconds", "at", "probe"):
        setattr(once, column, getattr(once, column)[:1])
    written = page(run)
    assert "| `naive` at N = 1024 | 1 | too few samples for an interval |" in written


def test_bytes_that_were_counted_take_the_place_of_bounds_in_the_third_answer_and_stand_in_the_fourth():
    counted = flowing(page(roofline=ROOFLINE, traffic=made_up.traffic()))
    assert "4.0 flop/byte of what L2 delivers, 40 flop/byte of what L3 delivers" in counted
    assert "and a warm call fetches nothing from further out" in counted
    assert "from DRAM: 200 flop/byte" in counted
    assert "OpenBLAS ran its Haswell kernel" in counted
    assert "between 4.0 and 171 flop/byte" not in counted
    assert "1.0 cache lines from L2 in `naive` and 1.0 in `blocked`" in counted
    assert "1.0 cache lines from L3 in `naive` and 0.0039 in `blocked`" in counted


def test_each_product_is_told_which_limit_it_is_nearest_to():
    kernels = place(ROOFLINE, made_up.results())
    written = flowing(pages.roofline_page(ROOFLINE, made_up.manifest("01-roofline"), kernels, made_up.traffic()))
    assert "`np.matmul` is bound by arithmetic" in written
    assert "No limit bounds `naive`" in written
    assert "inf" not in written.replace("inference", "")
    assert "The bytes that really moved" not in flowing(roofline_page(ROOFLINE))


def test_a_product_below_all_limits_is_told_what_its_levels_need_one_after_the_other():
    ridges = [Ridge(level=level, gbs=gbs, flop_per_byte=100 / gbs) for level, gbs in (("L2", 80.0), ("L3", 70.0))]
    loops = [changed(ROOFLINE.bandwidth[0], level=ridge.level) for ridge in ridges]
    dram = [ridge for ridge in ROOFLINE.ridge if ridge.level == "DRAM"]
    record = changed(ROOFLINE, ridge=[*ridges, *dram], bandwidth=[*ROOFLINE.bandwidth, *loops])
    moved = made_up.traffic()
    for cell in moved.kernels:
        cell.bytes |= {"L1": cell.n**3 * 4, "L2": cell.n**3 * 4} if cell.kernel == "einsum" else {}
    kernels = place(record, made_up.results())
    written = flowing(pages.roofline_page(record, made_up.manifest("01-roofline"), kernels, moved))
    assert "of its nearest limit, L3, from where it fetches 4 MiB for each row of C" in written
    assert "54 ms for L2, 61 ms for L3 and" in written
    assert "L2 delivers 20 of 80.0 GB/s" in written


# --- the roofline --------------------------------------------------------------------------------------

ROOFLINE = made_up.roofline()
CLOCK = ROOFLINE.clock
SILENT = changed(CLOCK, nominal_ghz=None, verdict=None, peak_from_nominal_gflops=None, nominal_from="it does not say")
AS_FAST = [
    changed(ROOFLINE.ceilings[0], name=name, gflops=ROOFLINE.peak.fp32_fma_gflops)
    for name in ("256-bit", "no FMA", "FMA + ADD")
]
BARE = {  # a core without FMA or caches, and a sweep that does not tell the latency
    "peak": changed(ROOFLINE.peak, fma=False, instruction_set="AVX", latency_cycles=None),
    "levels": [],
    "levels_from": "bandwidth",
    "ceilings": [],
    "notes": ["DRAM was measured over too little"],
    "bandwidth": [b for b in ROOFLINE.bandwidth if b.level == "DRAM"],
    "ridge": [r for r in ROOFLINE.ridge if r.level == "DRAM"],
}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, "**101 GFLOPS** is the most"),
        ({}, "**20.2 GB/s** the most"),
        ({}, "101.0 GFLOPS are 32.0 flops per cycle: 2.00 vector instructions of 8 lanes"),
        ({}, "One chain alone gives 12.6 GFLOPS, a step every 4.0 cycles"),
        ({}, "The system states 2.50 GHz (made up); the core is **boosted**, 25 % above it"),
        ({}, "80.0 GFLOPS, 21 % too low"),
        ({}, "79 % of DRAM"),
        ({}, "triad (2:1)"),
        ({}, "After a run of the [benchmark]"),
        ({}, "Adds beside the FMAs give more flops"),
        ({"clock": changed(CLOCK, verdict="throttled")}, "**throttled**"),
        ({"clock": changed(CLOCK, verdict="as stated")}, "the core is at it"),
        ({"clock": SILENT}, "states no clock to compare with: it does not say"),
        ({"ceilings": AS_FAST}, "in two halves"),
        ({"ceilings": AS_FAST}, "as fast here as one FMA"),
        ({"ceilings": AS_FAST}, "gain nothing on this core"),
        (BARE, "chains of multiplications and additions"),
        (BARE, "the curve shows none"),
        (BARE, "- Note: DRAM was measured over too little. "),
        ({"cores": cores(100.0, 190.0)}, "The peak grows with each."),
        ({"cores": cores(100.0, 116.0)}, "2 cores reach only 1.16× the peak of one"),
        ({"levels_from": "bandwidth"}, "The table's levels, 1 of them, are read off"),
    ],
)
def test_the_rooflines_page_follows_its_record(changes, says):
    text = flowing(roofline_page(changed(ROOFLINE, **changes)))
    assert says in text
    assert "None" not in text


def test_the_benchmarks_rates_stand_under_the_roofline_where_there_are_any():
    text = flowing(roofline_page(ROOFLINE, made_up.results()))
    assert "are those of the [benchmark]" in text
    assert "| `naive` at N = 1024 | 4.00 MFLOPS † |" in text
    assert "† Measured at N = 512:" in text
    assert "1/25,000 of the peak" in text


def test_a_wrong_roofline_is_called_so_before_anything_else():
    assert "wrong" not in roofline_page(ROOFLINE)
    before = roofline_page(changed(ROOFLINE, faults=["dot reaches 150 %"])).partition("![")[0]
    assert re.search(r"\*\*This roofline is wrong\.\*\*.*dot reaches 150 %", before)


# --- the ladder and repeated runs ----------------------------------------------------------------------


def test_the_ladder_gives_every_factor_and_the_whole():
    record = made_up.ladder()
    written = ladder_page(record)
    assert "**20,000× (" in written
    for factor in record.factors:
        assert f": {times(factor.ratio)} (" in written


def test_the_blas_has_been_passed_only_where_the_fastest_of_its_kernels_was():
    def said(haswell: float) -> str:
        m = made_up.ladder_measurement(others=list(made_up.OTHERS))
        for s in (s for s in m.samples if s.name == "OpenBLAS Haswell"):
            s.seconds = s.cpu_seconds = [t * made_up.OTHERS["OpenBLAS Haswell"][0] / haswell for t in s.seconds]
        return flowing(ladder_page(made_up.ladder_derive.derive(m)))

    assert "has passed OpenBLAS with each of its kernels" in said(60.0)
    assert "is faster here" not in said(60.0)
    passed = said(83.9)  # faster than its choice, and slower than what was rebuilt
    assert "OpenBLAS Haswell is faster here: 1.05×" in passed
    assert "has passed OpenBLAS with each of its kernels" in passed
    ahead = said(95.0)
    assert "has passed" not in ahead
    assert "slower than the step before it, but not OpenBLAS Haswell" in ahead


def test_a_rung_of_ones_own_has_what_was_expected_beside_what_was_measured_and_all_cores_complete_the_rules():
    m = made_up.ladder_measurement(others=["step1_loop_order"], cores=4)
    m.instructions = Instructions(per_step={"naive": 4499.0, "compiled": 5.064}, note="Counted.")
    written = ladder_page(made_up.ladder_derive.derive(m))
    assert re.search(r"^\| step1_loop_order \| 3.60 GFLOPS \| compiled \| 8.00× \| 9.00× ", written, re.MULTILINE)
    assert re.search(r"^\| step1_loop_order \| 3.60 GFLOPS \| unit stride \|  \| 0.973× ", written, re.MULTILINE)
    assert re.search(r"^\| threads \| 4× \| 3.20× \|", written, re.MULTILINE)
    assert re.search(r"^\| naive \| 4,500 \|", written, re.MULTILINE)
    m.all_cores.gflops = [rate * (1 + k % 2) for k, rate in enumerate(m.all_cores.gflops)]
    written = ladder_page(made_up.ladder_derive.derive(m))
    assert "| threads | 4× | unknown: " in written
    assert re.search(r"On 4 cores `np.matmul` is between [\d.]+× and [\d.]+× as fast as on one", written)


def test_the_ladders_prose_follows_the_data():
    record = made_up.ladder()
    assert "what was rebuilt has passed it" in ladder_page(record)
    slower = [changed(f, high=1.01) if f.rung == "matmul" else f for f in record.factors]
    assert "has passed it" not in ladder_page(changed(record, factors=slower))
    words = {2.0: "the more caches matter", 1.0: "feed that loop either way", 0.9: "only adds loop overhead"}
    for ratio, says in words.items():
        order = [changed(f, ratio=ratio, high=ratio) if f.rung == "blocks + SIMD" else f for f in record.other_order]
        assert says in ladder_page(changed(record, other_order=order)), says
    assert "OPENBLAS_CORETYPE" not in ladder_page(record)
    assert "†" not in ladder_page(record)
    cells = [changed(c, portion=0.001, noisy=True) if (c.rung, c.n) == ("naive", 1024) else c for c in record.cells]
    written = ladder_page(changed(record, cells=cells))
    assert re.search(r"^\| naive \|.*†.*‡", written, re.M)
    assert "† Timed over part of C" in written
    assert "‡ Noisy" in written


def test_repeated_runs_say_whether_fractions_repeat_alone_and_beside_a_busy_process():
    record = made_up.repeat()
    text = flowing(pages.repeat_page(record))
    assert "Fractions of peak repeat:" in text
    assert "Beside a busy process fractions of peak shift by up to 0 % (wanted: 5 % at most)." in text
    record.runs[0].cells[0].peak_fraction.value *= 1.2
    assert "do not repeat as they should: over 5 runs they differ by up to 20 %" in flowing(pages.repeat_page(record))


def test_several_pythons_are_held_against_the_oldest_and_who_is_left_out_is_named():
    record = made_up.repeat(runs=6, pythons=("3.11.7", "3.12.1"))
    record.left_out = {"3.10": "it is older than 3.11"}
    written = pages.repeat_page(record)
    assert "fraction of peak over that of 3.11.7" in written
    assert re.search(r"^\| `naive` at N = 256 \| 3\.12\.1 \| 1\.00× \(.*no difference resolved", written, re.M)
    assert "Python 3.10 is left out: it is older than 3.11." in written
    assert "## Pythons" not in pages.repeat_page(made_up.repeat())


def test_other_blocks_are_called_faster_only_where_they_are_shown_to_be():
    m = made_up.ladder_measurement()
    assert "none of them is shown to be faster" in flowing(ladder_page(made_up.ladder_derive.derive(m)))
    at = next(s for s in m.samples if (s.name, s.n) == ("twice KC", m.n))
    at.seconds = at.cpu_seconds = [0.9 * t for t in at.seconds]
    assert "twice KC, 1.1" in flowing(ladder_page(made_up.ladder_derive.derive(m)))
