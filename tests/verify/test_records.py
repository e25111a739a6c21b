"""A record, page or figure with one thing wrong is refused, and for that reason."""

import json
from pathlib import Path

import handed_in
import made_up
import msgspec
import pytest

from labkit.records import io
from labkit.records.model import Measurement, Results
from labkit.verify import manifest, page, picture, records, submission
from labkit.verify.outcome import Check

PARTS = (manifest.checks, records.checks, picture.checks, page.checks)


def checks(folder: Path) -> dict[str, Check]:
    """All that can be said without running bench.py."""
    given = submission.read(folder)
    return {check.name: check for part in PARTS for check in part(given)}


def refused(folder: Path, name: str, *words: str) -> None:
    """The check that begins so is not met, for a reason with these words."""
    found = next(check for check in checks(folder).values() if check.name.startswith(name))
    assert found.passed is False, found
    assert all(word in found.reason for word in words), found.reason


@pytest.mark.parametrize("measured_up_to", [512, 1024])
def test_a_valid_submission_meets_every_demand(measured_up_to, tmp_path):
    found = checks(handed_in.doctored(tmp_path / "valid", measured_up_to=measured_up_to))
    assert not [check for check in found.values() if not check.passed]


# --- results.json: what is recorded is edited, and its digest made to agree --------------------------------


def cell(record, method, n):
    return next(c for c in record["cells"] if (c["method"], c["n"]) == (method, n))


def samples(record, method, n):
    return next(s for s in record["samples"] if (s["name"], s["n"]) == (method, n))


def edit(*path, to=None, times=1.0):
    """Of a cell, by method and size, or of the record itself: one value replaced."""

    def change(record):
        if len(path) > 1 and isinstance(path[1], int):
            at, names = cell(record, *path[:2]), path[2:]
        else:
            at, names = record, path
        for name in names[:-1]:
            at = at[name]
        at[names[-1]] = at[names[-1]] * times if to is None else to

    return change


FOLLOWS = "G1"
COLUMNS = ("seconds", "cpu_seconds", "rounds", "calls", "steal_seconds", "at", "probe")
EDITED = {
    "a median": (edit("matmul", 256, "gflops", "median", times=1.001), FOLLOWS, "matmul at N = 256 gflops median"),
    "the seconds of a cell": (
        lambda r: cell(r, "matmul", 64)["seconds_per_call"].__setitem__(2, 1e-6),
        FOLLOWS,
        "seconds_per_call[2]",
    ),
    "a sample dropped from every column": (
        lambda r: [samples(r, "einsum", 128)[column].pop(3) for column in COLUMNS],
        FOLLOWS,
        "einsum at N = 128",
        "12 entries, not 11",
    ),
    "a speedup": (edit("speedup", "factor", times=2), FOLLOWS, "speedup factor"),
    "an embedding": (edit("embedding", "projection_gflops", times=2), FOLLOWS, "embedding projection_gflops"),
    "a peak raised": (edit("roof", "peak_gflops", times=2), FOLLOWS, "roof peak_gflops is 200, not 100"),
    "a cell left out": (lambda r: r["cells"].pop(3), FOLLOWS, "is missing"),
    "a cell twice": (lambda r: r["cells"].append(r["cells"][0]), FOLLOWS, "twice"),
    "a cell of nothing": (lambda r: r["cells"].append({**r["cells"][0], "n": 96}), FOLLOWS, "N = 96", "one too many"),
    "an unmarked extrapolation": (edit("naive", 1024, "extrapolated", to=False), "B3 extrapolations", "is not marked"),
    "a number that is too large": (edit("roof", "peak_gflops", to=10**400), FOLLOWS, "results.json"),
    "more samples than can be": (
        lambda r: samples(r, "naive", 64).update(dict.fromkeys(COLUMNS, [1] * 70_000)),
        FOLLOWS,
        "70,000 samples",
    ),
    "an older schema": (edit("schema", to="matmul-perf/1"), FOLLOWS, "schema matmul-perf/1, of an older version"),
    "another seed": (edit("protocol", "seed", to=7), "A8", "7"),
    "other blocks": (edit("protocol", "block_size", to=8), "B2", "not of 64"),
    "no warm-up": (edit("protocol", "warmup_calls", to=0), "B4", "no untimed call"),
    "a quick pass": (edit("protocol", "quick", to=True), "B8", "--quick"),
    "a run that was stopped": (edit("status", to="partial"), "B8", "goes on"),
    "an agreement not reached": (edit("agreement", "methods", "naive", "within_bound", to=False), "A5", "naive"),
    "an agreement not exact": (edit("agreement", "methods", "einsum", "exact_on_integers", to=False), "A5", "integers"),
    "a looser agreement": (edit("agreement", "rtol", to=0.1), "A5", "0.1"),
    "a method not checked": (lambda r: r["agreement"]["methods"].pop("einsum"), "A5", "einsum was not checked"),
}


@pytest.mark.parametrize("what", EDITED)
def test_an_edited_record_is_refused_for_what_was_edited(what, tmp_path):
    change, name, *words = EDITED[what]
    refused(handed_in.doctored(tmp_path / "edited", "results.json", change), name, *words)


# --- results.json: made of other samples, with all that follows from them -------------------------------------


def remade(folder: Path, change) -> Path:
    """The submission of a run whose samples were changed, everything derived from them again."""
    m = handed_in.measurement()
    change(m)
    return handed_in.write(folder, handed_in.files_of(m))


def of(m: Measurement, name: str, n: int):
    return next(s for s in m.samples if (s.name, s.n) == (name, n))


def altered(name, *sizes, **columns):
    """Columns of a method's series replaced by what these functions make of the series."""

    def change(m):
        for s in (of(m, name, n) for n in sizes):
            for column, make in columns.items():
                setattr(s, column, make(s))

    return change


def scaled(name, *sizes, by):
    return altered(name, *sizes, seconds=lambda s: [x * by for x in s.seconds], cpu_seconds=lambda s: s.seconds)


def without(name, *sizes):
    return lambda m: [m.samples.remove(of(m, name, n)) for n in sizes]


def measured_too(factor):
    """naive at N = 1024, once, so many times as long as a sample of half its size."""
    return lambda m: m.samples.append(
        made_up.series("naive", 1024, [factor * sorted(of(m, "naive", 512).seconds)[4]], 2 * 1024**3, calls=[1])
    )


def anothers(m):
    of(m, "blocked", 512).seconds = of(m, "blocked", 512).cpu_seconds = list(of(m, "naive", 512).seconds)


FIRST_FOUR = {column: lambda s, column=column: getattr(s, column)[:4] for column in COLUMNS}
SAME = {"seconds": lambda s: [s.seconds[0]] * 12, "cpu_seconds": lambda s: s.seconds}
TWO_THREADS = {"cpu_seconds": lambda s: [1.9 * x for x in s.seconds]}
REMADE = {
    "a rate above the peak": (scaled("matmul", 512, by=0.7), "G2", "matmul at N = 512", "of the peak"),
    "a time that does not grow": (scaled("naive", 512, by=0.05), "G2", "does not grow"),
    "two threads": (altered("matmul", 1024, **TWO_THREADS), "G2", "more than one thread"),
    "samples all the same": (altered("matmul", 64, **SAME), "G2", "no clock shows"),
    "a sample copied": (altered("einsum", 512, rounds=lambda s: [0, *range(11)]), "G2", "two samples of one round"),
    "another method's samples": (anothers, "G2", "blocked at N = 512 are those of naive at N = 512"),
    "flops that are not 2 N^3": (altered("einsum", 64, flops=lambda s: 10**6), "G2", "not 2 N^3"),
    "four samples": (altered("matmul", 64, **FIRST_FOUR), "B3 samples", "4 of 5"),
    "a tenth of a second": (altered("matmul", 64, calls=lambda s: [1] * 12), "B3 samples", "not for 1 s"),
    "an extrapolation passed off as measured": (measured_too(8), "B3 extrapolations", "computed as 8 times N = 512"),
    "a matmul that is extrapolated": (without("matmul", 1024), "B3 extrapolations", "matmul at N = 1024", "measure it"),
    "a naive extrapolated too far": (without("naive", 512), "B3 extrapolations", "naive at N = 512"),
    "a naive that is vectorised": (scaled("naive", 64, 128, 256, 512, by=0.02), "B6", "200 MFLOPS"),
    "a factor below fifty": (scaled("matmul", *made_up.SIZES, by=1000.0), "B7", "20 times", "doctor"),
    "a size not asked for": (lambda m: m.protocol.sizes.remove(256), "B1", "256"),
    "a method not measured": (without("blocked", 64, 128, 256, 512), "B2", "blocked"),
}


@pytest.mark.parametrize("what", REMADE)
def test_a_run_that_was_not_as_asked_or_cannot_be_is_refused_for_that(what, tmp_path):
    change, name, *words = REMADE[what]
    refused(remade(tmp_path / "remade", change), name, *words)


def test_a_machine_ten_times_as_slow_is_as_valid(tmp_path):
    def slower(m):
        for s in m.samples:
            s.seconds = [10 * x for x in s.seconds]
            s.cpu_seconds = list(s.seconds)
        for rates in msgspec.structs.astuple(m.readings):
            rates[:] = [rate / 10 for rate in rates]
        for name in ("peak_gflops", "dram_gbs"):
            setattr(m.limits, name, getattr(m.limits, name) / 10)

    found = checks(remade(tmp_path / "slow", slower))
    assert not [check for check in found.values() if check.passed is False]


def test_a_measured_time_that_is_nearly_eight_times_the_smaller_ones_is_not_called_computed(tmp_path):
    found = checks(remade(tmp_path / "near", measured_too(8.0001)))
    assert found["B3 extrapolations are marked"].passed is True


# --- the manifest and the roofline ------------------------------------------------------------------------------

OF_THE_MANIFEST = {
    "another seed": (lambda m: m.update(seed=1), "C1", "not 42"),
    "no version of NumPy": (lambda m: m["versions"].pop("numpy"), "C1", "numpy"),
    "another machine": (lambda m: m["hardware"].update(short_name="another"), "C1", "another"),
    "a variable that was not set": (lambda m: m["threads"].update(MKL_NUM_THREADS=None), "C2", "MKL", "nothing"),
    "four threads": (lambda m: m["threads"].update(OMP_NUM_THREADS="4"), "C2", "'4'"),
    "four threads used": (lambda m: m["blas"].update(threads=4), "C2", "used 4"),
    "a governor that saves power": (lambda m: m["hardware"].update(governor="powersave"), "C3", "cpupower"),
    "a battery": (lambda m: m["hardware"].update(power="battery"), "C3", "charger"),
    "a digest left out": (lambda m: m["outputs"].pop("perf.png"), "G3", "no digest of perf.png"),
    "a digest of something else": (
        lambda m: m["outputs"].update({"README.md": "0" * 64}),
        "G3",
        "README.md",
        "SHA-256",
    ),
}


@pytest.mark.parametrize("what", OF_THE_MANIFEST)
def test_a_doctored_manifest_is_refused_for_that(what, tmp_path):
    change, name, *words = OF_THE_MANIFEST[what]
    refused(handed_in.doctored(tmp_path / "doctored", "manifest.json", change), name, *words)


def test_a_governor_that_nobody_knows_is_unknown(tmp_path):
    def change(m):
        m["hardware"].update(governor=None, power=None, reasons={"governor": "no cpufreq", "power": "no battery"})

    found = checks(handed_in.doctored(tmp_path / "guest", "manifest.json", change))
    assert found["C1 manifest.json"].passed is True
    assert found["C3 governor and power"].passed is None


@pytest.mark.parametrize("name", ["results.json", "perf.png", "README.md"])
def test_a_file_changed_after_the_run_is_refused_by_its_digest_and_a_missing_one_is_said_to_be(name, tmp_path):
    folder = handed_in.doctored(tmp_path / "changed")
    with (folder / name).open("ab") as file:
        file.write(b"\n")
    refused(folder, "G3", name, "--redraw")
    (folder / name).unlink()
    refused(folder, "F1", f"{name} is not there")


def test_the_roofline_beside_a_result_is_derived_again_and_its_roof_is_the_runs(tmp_path):
    folder = handed_in.doctored(tmp_path / "03-matmul-perf")
    beside = tmp_path / "01-roofline"
    beside.mkdir()
    roofline = made_up.roofline()
    (beside / io.KERNELS).write_bytes(io.encode(roofline))
    found = checks(folder)
    assert found["G4 the roofline follows from its samples"].passed is True
    assert found["D2 the roof is the roofline's"].passed is not False
    record = json.loads(io.encode(roofline))
    record["peak"]["fp32_fma_gflops"]["best"] *= 2
    (beside / io.KERNELS).write_text(json.dumps(record))
    refused(folder, "G4", "peak fp32_fma_gflops best")


# --- the figure and the page -----------------------------------------------------------------------------------


def redrawn(change):
    def drawn(results: Results) -> bytes:
        data = handed_in.figure_data(results)
        change(data)
        return handed_in.png(data)

    return drawn


PICTURES = {
    "no picture": (lambda r: b"GIF89a", "D1 perf.png", "no PNG"),
    "one cut off": (lambda r: handed_in.png({})[:-20], "D1 perf.png", "cut off"),
    "one damaged": (lambda r: handed_in.png({}).replace(b"IDATx", b"IDATy"), "D1 perf.png", "damaged"),
    "one of a single pixel": (lambda r: handed_in.png({}, 1, 1), "D1 perf.png", "only 1 x 1"),
    "one too large": (lambda r: handed_in.png({}, 60_000, 1_000), "D1 perf.png", "smaller"),
    "a curve left out": (redrawn(lambda d: d["curves"].pop("naive")), "D1 the curves", "naive is missing"),
    "a point left out": (redrawn(lambda d: d["curves"]["naive"].pop()), "D1 the curves", "naive N = 1024"),
    "a point elsewhere": (redrawn(lambda d: d["curves"]["matmul"][2].update(gflops=99.0)), "D1 the curves", "99"),
    "an extrapolation drawn as measured": (
        redrawn(lambda d: d["curves"]["naive"][4].update(extrapolated=False)),
        "D1 the curves",
        "False, not True",
    ),
    "linear axes": (redrawn(lambda d: d["axes"].update(y="linear")), "D1 the curves", "axes y"),
    "another roof": (redrawn(lambda d: d["roof"].update(peak_gflops=120.0)), "D2 the roof is drawn", "120"),
    "no roof": (redrawn(lambda d: d.update(roof=None)), "D2 the roof is drawn", "nothing"),
    "another machine": (redrawn(lambda d: d.update(title="fp32, single-threaded")), "D3", "a CPU"),
}


@pytest.mark.parametrize("what", PICTURES)
def test_a_figure_that_is_not_the_records_is_refused_for_that(what, tmp_path):
    draw, name, *words = PICTURES[what]
    folder = handed_in.doctored(tmp_path / "drawn")
    (folder / "perf.png").write_bytes(draw(io.read(folder / "results.json", Results)))
    refused(folder, name, *words)


def test_a_figure_without_data_is_unknown(tmp_path):
    folder = handed_in.doctored(tmp_path / "drawn")
    (folder / "perf.png").write_bytes(handed_in.png("nothing"))
    found = checks(folder)
    assert found["D1 perf.png is a figure"].passed is True
    assert found["D1 the curves are the record's"].passed is None


GERMAN = """# Ergebnis
**1.** np.matmul ist 20.000-mal so schnell (bei N = 1024 extrapoliert).
**2.** einsum: das 4.000-fache von naive, dann noch 5,0-mal BLAS.
**3.** 80 % der Spitze.
**4.** In Blöcken: 0,98-mal so schnell.
"""


@pytest.mark.parametrize(
    "text",
    [
        GERMAN,
        GERMAN.replace("20.000-mal", "$2{,}0 \\times 10^{4}$-mal"),
        GERMAN.replace("20.000", "20 000").replace("80 %", "0.80"),
        GERMAN.replace("20.000", "19,800"),
        "\ufeff" + GERMAN.replace("\n", "\r\n"),
    ],
)
def test_a_page_in_another_language_or_writing_is_met(text, tmp_path):
    folder = handed_in.doctored(tmp_path / "page")
    (folder / "README.md").write_bytes(text.encode())
    assert [c.passed for c in page.checks(submission.read(folder))] == [True] * 5


PAGES = {
    "no speedup": (lambda t: t.replace("20,000", "many"), "E1", "20,000"),
    "another speedup": (lambda t: t.replace("20,000", "30,000"), "E1", "20,000"),
    "no einsum": (lambda t: t.replace("einsum", "it").replace("2. ", ""), "E2", "einsum"),
    "no fraction": (lambda t: t.replace("80.0 %", "most"), "E3", "80 %"),
    "another fraction": (lambda t: t.replace("80.0 %", "91 %"), "E3", "80 %"),
    "no blocked": (lambda t: t.replace("blocked", "other").replace("4. ", ""), "E4", "block"),
    "an extrapolation that is not said": (
        lambda t: t.replace("extrapolated from 512", "so"),
        "E5",
        "naive at N = 1024",
    ),
}


@pytest.mark.parametrize("what", PAGES)
def test_a_page_that_leaves_an_answer_out_is_refused_for_that(what, tmp_path):
    change, name, *words = PAGES[what]
    folder = handed_in.doctored(tmp_path / "page")
    text = (folder / "README.md").read_text()
    assert change(text) != text
    (folder / "README.md").write_text(change(text))
    refused(folder, name, *words)


def test_a_number_is_read_in_every_way_that_it_may_be_meant():
    texts = {"20,000": {20.0, 20000.0}, "5,0": {5.0}, "1.234.567": {1234567.0, 1234.567}, "16,900.5": {16900.5}}
    texts |= {"2.0e4": {20000.0}, "2·10⁴": {20000.0}, "8.0 %": {8.0, 0.08}, "20 000": {20000.0}}
    for text, meant in texts.items():
        assert sorted(page.numbers(text)) == pytest.approx(sorted(meant)), text
