"""A learner who had the assignment alone, and never saw this repository's records, gets a valid verdict in seconds."""

import json
import os
import random
import shutil
import zipfile

import handed_in
import pytest
import submitted_sources as sources

from labkit.errors import UserError
from labkit.verify import layout, manifest, page, picture, records, submission
from labkit.verify.calls import within

SIZES = (64, 128, 256, 512, 1024)
RATES = {"naive": 0.0031, "blocked": 0.0036, "einsum": 12.0, "matmul": 61.0}
EVERY = [(m, n) for m in RATES for n in SIZES]
TYPED = {"naive": "matmul_naive", "blocked": "matmul_blocked", "einsum": "np.einsum", "matmul": "np.matmul"}


def seconds(method, n):
    return 2 * n**3 / RATES[method] / 1e9


def samples(method, n, many=6):
    """Times of one call, no two alike."""
    rng = random.Random(f"{method}{n}")
    return [seconds(method, n) * (1 + 0.02 * rng.random()) for _ in range(many)]


LAYOUTS = {
    "rows": [{"method": TYPED[m], "N": n, "seconds": seconds(m, n), "gflops": RATES[m], "reps": 7} for m, n in EVERY],
    "rows under a key": {
        "meta": {"seed": 42, "numpy": "2.1.0"},
        "results": [{"name": m, "n": n, "times": samples(m, n), "GFLOPS": RATES[m]} for m, n in EVERY],
    },
    "by method and N": {m: {str(n): {"time_s": seconds(m, n), "gflops": RATES[m]} for n in SIZES} for m in RATES},
    "by method and N, rates alone": {TYPED[m]: dict.fromkeys(SIZES, RATES[m]) for m in RATES},
    "by method and N, seconds alone": {m: {n: seconds(m, n) for n in SIZES} for m in RATES},
    "by N and method": {
        f"N={n}": {m: {"mean_ms": 1e3 * seconds(m, n), "GFlop/s": RATES[m]} for m in RATES} for n in SIZES
    },
    "arrays": {
        "sizes": SIZES,
        "gflops": {m: [RATES[m]] * 5 for m in RATES},
        "seconds": {m: [seconds(m, n) for n in SIZES] for m in RATES},
    },
    "arrays beside the sizes": {"N": SIZES, **{m: [RATES[m]] * 5 for m in RATES}},
    "an array of arrays": {"N": SIZES, "methods": [*RATES], "gflops": [[RATES[m]] * 5 for m in RATES]},
    "arrays of samples": {m: {"N": SIZES, "times": [samples(m, n) for n in SIZES]} for m in RATES},
    "one key for both": {f"{m}_{n}": {"gflops": RATES[m], "mean_time": seconds(m, n)} for m, n in EVERY},
    "wide rows": [
        {"N": n, **{f"{m}_gflops": RATES[m] for m in RATES}, **{f"t_{m}_seconds": seconds(m, n) for m in RATES}}
        for n in SIZES
    ],
    "columns": {
        "method": [m for m, _ in EVERY],
        "N": [n for _, n in EVERY],
        "mflops": [1e3 * RATES[m] for m, _ in EVERY],
    },
    "columns with an index": {
        "method": {i: m for i, (m, _) in enumerate(EVERY)},
        "N": {i: n for i, (_, n) in enumerate(EVERY)},
        "gflops": {i: RATES[m] for i, (m, _) in enumerate(EVERY)},
    },
    "columns and data": {"columns": ["method", "N", "gflops"], "data": [[m, n, RATES[m]] for m, n in EVERY]},
    "a header and rows": [["method", "N", "seconds", "gflops"], *([m, n, seconds(m, n), RATES[m]] for m, n in EVERY)],
    "rows without a header": [[m, n, seconds(m, n), RATES[m]] for m, n in EVERY],
    "pairs": {m: [[n, RATES[m]] for n in SIZES] for m in RATES},
    "totals": {
        m: [{"n": n, "elapsed_total": 1e6 * seconds(m, n), "iterations": 10**6, "gflops": RATES[m]} for n in SIZES]
        for m in RATES
    },
    "a row a sample": [{"algorithm": m, "size": f"{n}x{n}", "elapsed": t} for m, n in EVERY for t in samples(m, n)],
    "in Portuguese": [{"metodo": m, "tamanho": n, "tempo_s": seconds(m, n), "gflops": RATES[m]} for m, n in EVERY],
}
MANIFESTS = {
    "flat": {
        "seed": 42,
        "python_version": "3.12.4",
        "numpy_version": "2.1.0",
        "cpu_governor": "performance",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "ac_power": True,
    },
    "nested": {
        "rng": {"seed": "42"},
        "versions": ["Python 3.11.2", "NumPy 1.26.4"],
        "cpu": {"scaling_governor": "performance"},
        "env": "OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1",
        "power": "AC",
    },
    "a machine that tells little": {
        "semente": 42,
        "versions": {"python": "3.11", "numpy": "2.0"},
        "governor": None,
        "threads": {"omp_num_threads": 1, "openblas_num_threads": 1, "mkl_num_threads": 1},
    },
}
PAGES = {
    "English": """# Matmul
## What is the speedup?
np.matmul is about 19,700 times as fast as matmul_naive at N = 1024.
## Interpreter and BLAS
einsum removes the interpreter; BLAS gives 5x more.
## Roofline
It reaches 48 % of the peak of 127 GFLOPS.
## Blocking
No gain: the interpreter costs more than a cache miss.
""",
    "German": """# Ergebnisse
**Frage 1:** Bei N = 1024 ist np.matmul rund 19.700-mal so schnell wie die Schleife.
**Frage 2:** Ohne Interpreter gewinnt man den Faktor 3.900, der Rest (5,1-fach) ist BLAS.
**Frage 3:** 48 Prozent der Spitze, bei mindestens 4 Flop pro Byte.
**Frage 4:** Nein, die Blöcke helfen nicht.
""",
    "Portuguese": """# Relatório
1) O `np.matmul` é 19,7 mil vezes mais rápido que o laço ingênuo em N = 1024.
2) Sem o interpretador ganha-se 3.900 vezes; o BLAS dá o resto.
3) Fica a 0,48 do pico.
4) A versão em blocos não ganha, pois o interpretador domina.
""",
}


def hand_in(folder, results=LAYOUTS["rows"], said=MANIFESTS["flat"], text=PAGES["English"], peak=127.0):
    """A plain submission of such parts; its manifest names the peak."""
    files = {
        "results.json": json.dumps(results).encode(),
        "manifest.json": json.dumps({**said, "peak_gflops": peak}).encode(),
        "README.md": text if isinstance(text, bytes) else text.encode(),
        "perf.png": handed_in.png("nothing"),
    }
    return handed_in.write(folder, files, sources.source())


def found(path):
    """The checks that need no run of bench.py."""
    with within(20), submission.opened(path) as given:
        return {c.name: c for part in (manifest, records, picture, page) for c in part.checks(given)}


def missed(checks):
    return [check for check in checks.values() if check.passed is False]


@pytest.mark.parametrize("what", LAYOUTS)
def test_any_plain_layout_is_read_to_the_same_cells_and_is_valid(what, tmp_path):
    document = json.loads(json.dumps(LAYOUTS[what]))
    cells = layout.read(document)
    assert {(c.method, c.n): c.gflops for c in cells} == pytest.approx({(m, n): RATES[m] for m, n in EVERY}, rel=0.03)
    checks = found(hand_in(tmp_path / "plain", document))
    assert not missed(checks)
    assert all(checks[name].passed for name in ("B1 the sizes", "B2 the methods", "B7 speedup of 50 or more"))


@pytest.mark.parametrize("said", MANIFESTS)
@pytest.mark.parametrize("language", PAGES)
def test_a_manifest_by_usual_names_and_a_page_in_any_language_are_valid(said, language, tmp_path):
    checks = found(hand_in(tmp_path / "plain", said=MANIFESTS[said], text=PAGES[language]))
    assert not missed(checks)
    assert checks["C1 manifest.json"].passed is True
    assert checks["C2 one thread"].passed is True
    assert [checks[name].passed for name in page.NAMES] == [True] * 5


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_line_ends_a_mark_of_order_or_another_encoding_change_nothing(encoding, tmp_path):
    text = PAGES["German"].replace("\n", "\r\n").encode(encoding)
    folder = hand_in(tmp_path / "plain", text=text)
    for name in ("results.json", "manifest.json"):
        (folder / name).write_bytes((folder / name).read_text().encode(encoding))
    assert not missed(found(folder))


def test_numbers_in_the_writing_of_any_country_are_found():
    texts = {"1,23,456": 123456.0, "2.8万倍": 28000.0, "28k×": 28000.0, "19 Tsd.": 19000.0, "٢٥٪": 0.25, "2**3": 2.0}
    for text, value in texts.items():
        assert value in list(page.numbers(page.plain(page._without_comments(text)))), text


def test_times_of_50000_single_calls_take_seconds(tmp_path):
    rows = [
        {"method": m, "N": n, "seconds": samples(m, n, 49_755 if (m, n) == ("matmul", 64) else 6)} for m, n in EVERY
    ]
    assert not missed(found(hand_in(tmp_path / "plain", rows)))


def test_what_is_missing_is_named_all_at_once_with_an_example(tmp_path):
    checks = found(hand_in(tmp_path / "plain", results={"hello": 1}, said={}))
    assert '"method": "naive", "N": 64' in checks["G1 what is recorded follows from the samples"].reason
    for word in ('"seed": 42', '"python"', '"numpy"', '"governor": "performance"', '"OPENBLAS_NUM_THREADS": "1"'):
        assert word in checks["C1 manifest.json"].reason


def test_what_cannot_be_checked_is_unknown(tmp_path):
    checks = found(hand_in(tmp_path / "plain", LAYOUTS["by method and N, rates alone"], peak=None))
    unknown = {check.name[:2] for check in checks.values() if check.passed is None}
    assert unknown >= {"G1", "B3", "B4", "D2", "D3", "E3"}


def test_a_naive_left_out_at_1024_is_allowed_and_one_extrapolated_is_to_be_said(tmp_path):
    rows = [row for row in LAYOUTS["rows"] if (row["method"], row["N"]) != ("matmul_naive", 1024)]
    assert not missed(found(hand_in(tmp_path / "a", rows)))
    rows.append({"method": "naive", "N": 1024, "gflops": 0.0031, "extrapolated": True})
    (fault,) = missed(found(hand_in(tmp_path / "b", rows)))
    assert fault.name.startswith("E5")
    assert not missed(found(hand_in(tmp_path / "c", rows, text=PAGES["English"] + "N = 1024 is extrapolated.\n")))


def test_a_product_far_above_the_peak_of_the_vectors_is_possible_on_apple_s_cpus_and_nothing_else_is(tmp_path):
    def faults(said, **rates):
        rows = [{"method": m, "N": n, "gflops": rates.get(m, RATES[m])} for m, n in EVERY]
        return [
            check.name[:2] for check in missed(found(hand_in(tmp_path / "x", rows, said))) if check.name[:2] == "G2"
        ]

    usual, apple = MANIFESTS["flat"], {**MANIFESTS["nested"], "processor": "Apple M2"}
    assert faults(usual, matmul=1400.0) == ["G2"]
    assert faults(apple, matmul=1400.0) == []
    assert faults(apple, matmul=14000.0) == ["G2"]
    assert faults(apple, einsum=1400.0) == ["G2"]
    assert faults({**usual, "blas": "Accelerate"}, matmul=1400.0) == []


def changed(method, n, **fields):
    rows = [{"method": m, "N": k, "seconds": samples(m, k), "gflops": RATES[m]} for m, k in EVERY]
    next(row for row in rows if (row["method"], row["N"]) == (method, n)).update(fields)
    return rows


FALSE = {
    "a rate that the times do not give": (changed("matmul", 256, gflops=80.0), "G1", "matmul at N = 256"),
    "a rate no core has": (changed("matmul", 64, gflops=900.0, seconds=None), "G2", "matmul at N = 64"),
    "times that do not grow": (
        changed("naive", 512, seconds=[0.1] * 3 + [0.11] * 3, gflops=None),
        "G2",
        "does not grow",
    ),
    "another method's samples": (changed("blocked", 512, seconds=samples("naive", 512), gflops=None), "G2", "those of"),
    "times all the same": (changed("einsum", 128, seconds=[seconds("einsum", 128)] * 6), "G2", "no clock"),
    "three samples": (changed("einsum", 128, seconds=samples("einsum", 128, 3)), "B3", "3 of 5"),
    "a tenth of a second": (changed("einsum", 128, total_seconds=0.1), "B3", "not for 1 s"),
    "a vectorised naive": (changed("naive", 128, gflops=0.4, seconds=None), "B6", "400 MFLOPS"),
    "a matmul that is extrapolated": (changed("matmul", 1024, extrapolated=True), "B3", "measure it"),
    "a computed time": (
        changed("naive", 1024, seconds=[8 * s for s in samples("naive", 512)], gflops=None),
        "B3",
        "8 times",
    ),
    "a method left out": ([r for r in LAYOUTS["rows"] if "einsum" not in r["method"]], "B2", "einsum"),
    "a size left out": ([r for r in LAYOUTS["rows"] if r["N"] != 256], "B1", "N = 256"),
    "no warm-up": ({"warmup": 0, "results": LAYOUTS["rows"]}, "B4", "untimed"),
    "float64": ({"dtype": "float64", "results": LAYOUTS["rows"]}, "A8", "float64"),
    "a quick run": ({"quick": True, "results": LAYOUTS["rows"]}, "B8", "quick"),
}


@pytest.mark.parametrize("what", FALSE)
def test_a_plain_record_with_something_wrong_is_refused_for_that(what, tmp_path):
    rows, demand, word = FALSE[what]
    faults = missed(found(hand_in(tmp_path / "plain", rows)))
    assert any(check.name.startswith(demand) and word in check.reason for check in faults), faults


@pytest.mark.parametrize(
    ("said", "demand", "word"),
    [
        ({"seed": 7}, "C1", "not 42"),
        ({"cpu_governor": "powersave"}, "C3", "cpupower"),
        ({"ac_power": False}, "C3", "battery"),
        ({"MKL_NUM_THREADS": "4"}, "C2", "MKL_NUM_THREADS"),
    ],
)
def test_a_plain_manifest_that_says_what_was_not_asked_is_refused_for_that(said, demand, word, tmp_path):
    faults = missed(found(hand_in(tmp_path / "plain", said=MANIFESTS["flat"] | said)))
    assert [check.name[:2] for check in faults] == [demand]
    assert word in faults[0].reason


# --- folders and zips ------------------------------------------------------------------------------------------


def zipped(path, folder, *names, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in folder.iterdir():
            archive.write(file, f"{names[0] if names else 'work'}/{file.name}")
        for name, data in members.items():
            archive.writestr(name.replace("__", "/"), data)
    return path


def test_a_folder_within_the_folder_and_a_zip_are_looked_into(tmp_path):
    folder = hand_in(tmp_path / "in" / "Abgabe Müller" / "03-matmul-perf")
    (tmp_path / "in" / "__MACOSX").mkdir()
    (tmp_path / "in" / "__MACOSX" / "results.json").write_bytes(b"\0")
    assert not missed(found(tmp_path / "in"))
    path = zipped(tmp_path / "work.zip", folder, "Abgabe Müller/experiments/03-matmul-perf")
    assert not missed(found(path))
    (tmp_path / "posted").mkdir()
    shutil.copy(path, tmp_path / "posted" / "work.zip")
    assert not missed(found(tmp_path / "posted"))


def link(name, to):
    member = zipfile.ZipInfo(name)
    member.external_attr = 0o120777 << 16
    return member, to


ZIPS = {
    "a path outside": [("../../outside.txt", b"x")],
    "an absolute path": [("/tmp/outside.txt", b"x")],
    "a link": [link("work/README.md", b"/etc/passwd")],
    "a bomb": [("work/zeros", bytes(64 << 20))],
    "too large": [(f"work/{i}", os.urandom(1 << 20)) for i in range(3)],
    "too many": [(f"work/{i}", b"") for i in range(2_500)],
}


@pytest.mark.parametrize("what", ZIPS)
def test_a_hostile_zip_is_refused_and_nothing_is_unpacked(what, tmp_path, monkeypatch):
    if what == "too large":
        monkeypatch.setattr(submission, "MOST_UNPACKED", 2 << 20)
    with zipfile.ZipFile(tmp_path / "work.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, data in ZIPS[what]:
            archive.writestr(name, data)
    (tmp_path / "into").mkdir()
    with pytest.raises(UserError):
        submission.unpack(tmp_path / "work.zip", tmp_path / "into")
    assert not [*(tmp_path / "into").iterdir()]
    assert "work.zip" in found(tmp_path / "work.zip")["F1 the five files are there"].reason
