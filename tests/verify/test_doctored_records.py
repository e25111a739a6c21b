"""A record with one thing wrong is refused, and for that reason."""

import json

import pytest
from submissions import OF_EACH, Doctored, cell, keep, refused, retime, scale

from labkit.verify.verdict import ROOMS


@pytest.mark.parametrize("result", ["valid", "measured"])
def test_a_valid_result_passes_every_check(result, request):
    checks = request.getfixturevalue(result).checks(*ROOMS)
    wrong = [check for check in checks.values() if check.passed is False]
    assert not wrong
    assert {check.name for check in checks.values() if check.passed is None} == {"governor and power"}


def of(method, n, change):
    """An edit of one cell."""
    return lambda record: change(cell(record, method, n)) and None


def _edited_median(one):
    one["gflops"]["median"] = (one["gflops"]["median"] + one["gflops"]["high"]) / 2


KEPT = object()


def _without_sentinel(one):
    one.update(sentinel_gbs=[None] * 8, roof={"share": 0.99, "low": 0.98, "high": 1.0})


def _higher_roof(record):
    for name in ("peak_gflops", "ridge_flop_per_byte", "crossover_n"):
        record["roof"][name] *= 2


def _chance(record):
    """One of einsum's repetitions, by chance, eight times that of the size before it."""
    base, one = cell(record, "einsum", 512), cell(record, "einsum", 1024)
    middle = sorted(base["seconds_per_call"])[3:5]
    retime(one, [8 * sum(middle) / 2, *one["seconds_per_call"][1:]])


def _edited(*path, to=KEPT, times=1.0):
    def change(record):
        for name in path[:-1]:
            record = record[name]
        record[path[-1]] = record[path[-1]] * times if to is KEPT else to

    return change


def _dropped(one):
    keep(one, 7)
    total = one["total_seconds"]
    retime(one, one["seconds_per_call"])
    one["total_seconds"] = total


def _too_few(one):
    keep(one, 4)
    retime(one, [0.5 * (1 + i / 1000) for i in range(4)])


def _copied(one):
    for name in OF_EACH:
        one[name] = [*one[name], one[name][-1]]
    retime(one, one["seconds_per_call"])


def _unmarked(one):
    one["extrapolated"] = False


def _computed(record):
    """The extrapolated time as if it had been measured."""
    base, one = cell(record, "naive", 512), cell(record, "naive", 1024)
    middle = sorted(base["seconds_per_call"])[3:5]
    for name in OF_EACH:
        one[name] = base[name][:1]
    one.update(extrapolated=False, extrapolated_from=None, extrapolated_seconds=None, calls_per_repetition=1, notes=[])
    retime(one, [8 * sum(middle) / 2])


def _extrapolated(method, n, base):
    def change(record):
        one, source = cell(record, method, n), cell(record, method, base)
        seconds = source["flops"] / source["gflops"]["median"] / 1e9 * (n / base) ** 3
        one.update(
            extrapolated=True, extrapolated_from=base, extrapolated_seconds=seconds, total_seconds=0.0,
            calls_per_repetition=0, gflops=dict(source["gflops"]), roof=dict(source["roof"]),
        )  # fmt: skip
        for name in OF_EACH:
            one[name] = []

    return change


def _without(record, method, n):
    record["cells"] = [c for c in record["cells"] if (c["method"], c["n"]) != (method, n)]


def _slow_matmul(record):
    for n in (64, 128, 256, 512, 1024):
        scale(cell(record, "matmul", n), 1000.0)


def _of_512(record):
    """A speedup that is right, of a size that is not the largest."""
    naive, matmul = (cell(record, method, 512) for method in ("naive", "matmul"))
    times = [one["flops"] / one["gflops"]["median"] / 1e9 for one in (naive, matmul)]
    record["speedup"].update(
        n=512, extrapolated=False, factor=matmul["gflops"]["median"] / naive["gflops"]["median"],
        naive_seconds=times[0], matmul_seconds=times[1],
    )  # fmt: skip


def _unvectorised_no_more(record):
    for method in ("naive", "blocked"):
        for n in (64, 128, 256, 512):
            scale(cell(record, method, n), 0.02)


DOCTORED = {
    "a median edited within its interval": (of("matmul", 256, _edited_median), "gflops", "matmul at N=256", "median"),
    "an edited best": (_edited("cells", 0, "gflops", "best", times=1.1), "gflops", "best"),
    "an edited 90th percentile": (_edited("cells", 3, "gflops", "p90", times=0.99), "gflops", "p90"),
    "an interval drawn tighter": (_edited("cells", 2, "gflops", "low", times=1.002), "gflops", "low"),
    "flops that are not 2 N^3": (_edited("cells", 1, "flops", times=2), "gflops", "2 N^3"),
    "a median outside its interval": (_edited("cells", 1, "gflops", "median", times=2), "gflops", "interval"),
    "a rate above the roof": (of("matmul", 512, lambda c: scale(c, 0.5)), "below the roof", "matmul at N=512"),
    "a rate above the roof whose share is not": (
        of("matmul", 512, lambda c: retime(c, [s / 1.4 for s in c["seconds_per_call"]])), "below the roof", "or more, above the peak"),
    "a naive that is vectorised, by its rate": (_unvectorised_no_more, "interpreted rate", "100", "C[i, j]"),
    "a repetition dropped from every list": (of("einsum", 128, _dropped), "seconds", "dropped"),
    "a repetition dropped from one list": (
        of("einsum", 128, lambda c: c["cpu_over_wall"].pop()), "repetitions", "cpu_over_wall"),
    "four repetitions": (of("matmul", 64, _too_few), "repetitions", "4 of the 5"),
    "a repetition copied": (of("naive", 256, _copied), "repetitions", "same round"),
    "times all the same": (of("einsum", 64, lambda c: retime(c, [c["seconds_per_call"][0]] * 8)), "repetitions", "same"),
    "a time below zero": (_edited("cells", 2, "seconds_per_call", 1, times=-1), "repetitions", "positive"),
    "no repetitions at all": (of("einsum", 64, lambda c: c["seconds_per_call"].clear()), "repetitions", "no repetitions"),
    "half a second": (
        of("matmul", 64, lambda c: [c.update(calls_per_repetition=c["calls_per_repetition"] // 2),
                                    retime(c, c["seconds_per_call"])]), "seconds", "not for 1 s"),
    "a total that was edited": (_edited("cells", 12, "total_seconds", times=1.2), "seconds", "total"),
    "an unmarked extrapolation": (of("naive", 1024, _unmarked), "extrapolations marked", "not marked"),
    "an extrapolation passed off as measured": (_computed, "extrapolations marked", "2^3", "computed"),
    "an extrapolation that hides its base": (
        of("naive", 1024, lambda c: c.update(extrapolated_from=None)), "extrapolations marked", "from"),
    "an extrapolated np.matmul": (_extrapolated("matmul", 1024, 512), "extrapolations lawful", "matmul", "measure it"),
    "naive extrapolated where the lab wants it run": (
        _extrapolated("naive", 512, 256), "extrapolations lawful", "naive at N=512"),
    "naive extrapolated from far away": (_extrapolated("naive", 1024, 128), "extrapolations lawful", "N=512"),
    "an extrapolation against the cube law": (
        of("naive", 1024, lambda c: c.update(extrapolated_seconds=c["extrapolated_seconds"] / 2)),
        "extrapolations lawful", "(N/m)^3"),
    "an extrapolation from nothing": (lambda r: _without(r, "naive", 512), "extrapolations lawful", "not measured"),
    "naive's time that does not grow": (of("naive", 512, lambda c: scale(c, 0.2)), "cube law", "naive at N=512"),
    "a product that takes no longer than a smaller one": (
        of("einsum", 512, lambda c: scale(c, 0.05)), "cube law", "einsum at N=512", "no longer"),
    "a peak that was raised": (_edited("roof", "peak_gflops", times=3.0), "roof", "ridge"),
    "a peak of no core": (_edited("roof", "peak_gflops", to=5000.0), "roof", "5000"),
    "a ridge that was edited": (_edited("roof", "ridge_flop_per_byte", times=1.1), "roof", "ridge"),
    "a crossover that was edited": (_edited("roof", "crossover_n", times=1.1), "roof", "crossover"),
    "a bandwidth of no memory": (_edited("roof", "dram_gbs", to=9000.0), "roof", "9000"),
    "a share that was edited": (
        of("matmul", 1024, lambda c: c.update(roof={"share": 0.99, "low": 0.98, "high": 1.0})), "shares", "99 %"),
    "a share outside its interval": (of("matmul", 64, lambda c: c["roof"].update(low=0.95)), "shares", "interval"),
    "a share without a sentinel to hold it against": (of("matmul", 512, _without_sentinel), "shares", "no sentinel"),
    "a peak twice as high, with all that follows": (_higher_roof, "roof", "shares of the cells"),
    "an embedding above the peak": (
        lambda r: r["embedding"].update(projection_gflops=5000.0, projection_seconds=39321600 / 5e12), "below the roof",
        "projection"),
    "a comparison's verdict": (_edited("comparisons", 0, "verdict", to="faster"), "derived figures", "faster"),
    "a comparison's interval": (_edited("comparisons", 0, "low", times=0.5), "derived figures", "pairs"),
    "rates of an extrapolated cell that its base has not": (
        of("naive", 1024, lambda c: c["gflops"].update(best=1.5 * c["gflops"]["best"])), "extrapolations lawful", "rates"),
    "blocks of another size": (_edited("protocol", "block_size", to=8), "methods", "64"),
    "a rate of zero": (_edited("cells", 3, "gflops", "median", to=0.0), "schema", "above 0"),
    "a number of a thousand digits": (_edited("cells", 3, "flops", to=10**400), "schema", "finite"),
    "a number that is not finite": (_edited("roof", "peak_gflops", to=1e300), "schema", "finite"),
    "a speedup in no time": (_edited("speedup", "matmul_seconds", to=0), "schema", "above 0"),
    "a speedup that was edited": (_edited("speedup", "factor", times=2), "speedup", "factor"),
    "a speedup of another size": (_of_512, "speedup", "largest size"),
    "a speedup that hides its extrapolation": (_edited("speedup", "extrapolated", to=False), "speedup", "measured"),
    "no speedup": (lambda r: r.update(speedup=None), "speedup", "no speedup"),
    "a factor below fifty": (_slow_matmul, "factor of 50", "only", "doctor"),
    "another seed": (_edited("protocol", "seed", to=7), "inputs", "7"),
    "float64 operands": (_edited("protocol", "dtype", to="float64"), "inputs", "float64"),
    "a size left out": (lambda r: r["protocol"]["sizes"].remove(512) or None, "sizes", "512"),
    "a cell left out": (lambda r: _without(r, "einsum", 256), "sizes", "einsum", "256"),
    "a method left out": (lambda r: r["protocol"]["methods"].remove("einsum") or None, "methods", "einsum"),
    "a run that was stopped": (_edited("status", to="partial"), "complete", "goes on"),
    "a quick pass": (_edited("protocol", "quick", to=True), "complete", "make bench"),
    "no warm-up": (_edited("protocol", "warmup_calls", to=0), "warm-up", "setup"),
    "a protocol of three repetitions": (_edited("protocol", "min_repetitions", to=3), "repetitions", "3"),
    "a protocol of a tenth of a second": (_edited("protocol", "min_seconds", to=0.1), "seconds", "0.1"),
    "two threads, by processor time": (
        of("matmul", 1024, lambda c: c.update(cpu_over_wall=[1.9] * 8)), "effective threads", "1.90"),
    "an agreement that was not reached": (
        _edited("agreement", "methods", "naive", "within_bound", to=False), "recorded agreement", "naive"),
    "an agreement at a looser tolerance": (_edited("agreement", "rtol", to=0.1), "recorded agreement", "0.1"),
    "a method that was never checked": (lambda r: r["agreement"]["methods"].pop("einsum") and None,
                                        "recorded agreement", "einsum"),
    "a sanity table that was edited": (_edited("sanity", 0, "measured", times=2), "derived figures", "sanity"),
    "a verdict that was edited": (_edited("sanity", 7, "verdict", to="above"), "derived figures", "above"),
    "a cube law that was edited": (_edited("cube_law", 0, "ratio", to=1.0), "derived figures", "cube law"),
    "a comparison that was edited": (_edited("comparisons", 0, "ratio", to=1.5), "derived figures", "1.5"),
    "an embedding that was edited": (_edited("embedding", "projection_gflops", times=2), "derived figures", "projection"),
    "another schema": (_edited("schema", to="matmul-perf/9"), "schema", "matmul-perf/9"),
    "a cell that stands there twice": (lambda r: r["cells"].append(r["cells"][0]), "schema", "more than once"),
    "a record without cells": (lambda r: r.pop("cells") and None, "schema", "cells"),
    "a text where a number should be": (_edited("cells", 0, "n", to="64"), "schema", "cells[0].n"),
}  # fmt: skip


@pytest.mark.parametrize("what", DOCTORED)
def test_a_doctored_record_is_refused_with_the_right_reason(valid: Doctored, what):
    change, name, *words = DOCTORED[what]
    refused(valid.edit("results.json", change), name, *words)


def test_a_repetition_that_falls_upon_the_cube_law_by_chance_is_not_called_computed(valid: Doctored):
    checks = valid.edit("results.json", _chance).checks()
    assert checks["extrapolations marked"].passed is True


def test_sizes_measured_beyond_the_labs_need_not_have_every_method(measured: Doctored):
    def add(record):
        one = json.loads(json.dumps(cell(record, "matmul", 1024)))
        record["protocol"]["sizes"].append(2048)
        one.update(n=2048, flops=2 * 2048**3)
        record["cells"].append(one)
        retime(one, [8.1 * s for s in one["seconds_per_call"]])

    checks = measured.edit("results.json", add).checks()
    assert [name for name, check in checks.items() if check.passed is False] == ["figure's curves"]


def test_there_are_thirty_doctored_results_and_more():
    assert len(DOCTORED) >= 30


OF_THE_MANIFEST = {
    "no version of NumPy": (lambda m: m["versions"].pop("numpy") and None, "manifest", "numpy"),
    "a governor that is null without a reason": (
        lambda m: m["hardware"]["reasons"].pop("governor") and None, "manifest", "governor"),
    "a manifest of another machine": (_edited("hardware", "short_name", to="another CPU"), "manifest", "another CPU"),
    "a manifest of another seed": (_edited("seed", to=1), "manifest", "not 42"),
    "a manifest of another experiment": (_edited("experiment", to="01-roofline"), "manifest", "01-roofline"),
    "a digest left out": (lambda m: m["outputs"].pop("perf.png") and None, "digests", "perf.png"),
    "four threads asked for": (_edited("threads", "OPENBLAS_NUM_THREADS", to="4"), "thread variables", "OPENBLAS"),
    "a thread variable that was not set": (_edited("threads", "MKL_NUM_THREADS", to=None), "thread variables", "not set"),
    "four threads used": (_edited("blas", "threads", to=4), "effective threads", "4"),
    "a governor that saves power": (_edited("hardware", "governor", to="powersave"), "governor and power", "cpupower"),
    "a battery": (_edited("hardware", "power", to="battery"), "governor and power", "charger"),
}  # fmt: skip


@pytest.mark.parametrize("what", OF_THE_MANIFEST)
def test_a_doctored_manifest_is_refused_with_the_right_reason(valid: Doctored, what):
    change, name, *words = OF_THE_MANIFEST[what]
    refused(valid.edit("manifest.json", change, signed=False), name, *words)


@pytest.mark.parametrize("name", ["results.json", "perf.png", "README.md"])
def test_a_file_changed_after_it_was_signed_is_refused(valid: Doctored, name):
    raw = (valid.folder / name).read_bytes()
    valid.write(name, raw.replace(b"\n", b"\n ", 1) if name != "perf.png" else raw + b"x", signed=False)
    refused(valid, "digests", name, "--redraw")


@pytest.mark.parametrize("name", ["bench.py", "results.json", "perf.png", "manifest.json", "README.md"])
def test_a_missing_file_is_said_to_be_missing(valid: Doctored, name):
    (valid.folder / name).unlink()
    refused(valid, "files", name, "not there")


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"\xff\xfe", b"[]", b'{"schema": "matmul-perf/1"}', b"NaN", b"[" * 100_000], ids=repr
)
@pytest.mark.parametrize("name", ["results.json", "manifest.json"])
def test_a_record_that_cannot_be_read_is_refused_and_nothing_breaks(valid: Doctored, name, raw):
    checks = valid.write(name, raw, signed=False).checks()
    assert checks["schema" if name == "results.json" else "manifest"].passed is False


def test_a_record_with_the_fields_that_are_fixed_alone_can_be_checked(measured: Doctored):
    """Another's bench.py need not write what this one writes besides."""
    fixed = ("method", "n", "flops", "extrapolated", "extrapolated_from", "calls_per_repetition", "seconds_per_call",
             "total_seconds", "cpu_over_wall", "gflops", "roof", "noisy", "notes")  # fmt: skip

    def bare(record):
        whole = ("schema", "status", "protocol", "agreement", "roof", "sanity", "speedup", "embedding")
        cells = [{name: one[name] for name in fixed} for one in record["cells"]]
        return {**{name: record[name] for name in whole}, "cells": cells}

    checks = measured.edit("results.json", bare).checks()
    assert not [check for check in checks.values() if check.passed is False]
    assert checks["shares"].passed is None


def test_a_fast_machine_is_not_graded_and_a_slow_one_neither(valid: Doctored):
    """Speed is not what is verified: everything a hundred times slower, and the roof with it, is as valid."""

    def slower(record):
        for one in record["cells"]:
            factor = 10.0
            if one["extrapolated"]:
                one["extrapolated_seconds"] *= factor
            else:
                retime(one, [s * factor for s in one["seconds_per_call"]])
                one["sentinel_gbs"] = [s / factor for s in one["sentinel_gbs"]]
            if one["extrapolated"]:
                one["gflops"] = {k: v / factor if k != "interval" else v for k, v in one["gflops"].items()}
        record["embedding"]["projection_gflops"] /= factor
        record["embedding"]["projection_seconds"] *= factor
        record["roof"]["peak_gflops"] /= factor
        record["roof"]["dram_gbs"] /= factor
        for name in ("median", "p90", "best", "low", "high"):
            record["roof"]["sentinel"]["gbs"][name] /= factor

    checks = valid.edit("results.json", slower).checks()
    for name in ("gflops", "shares", "roof", "below the roof", "factor of 50", "cube law", "extrapolations lawful"):
        assert checks[name].passed is True, checks[name]


def test_a_cell_that_says_itself_that_it_is_invalid_is_refused(valid: Doctored):
    refused(
        valid.edit("results.json", lambda r: cell(r, "matmul", 64).update(invalid=["it is above the roof"])),
        "below the roof",
        "called invalid",
    )


def test_a_roof_that_its_own_record_does_not_know_is_refused(valid: Doctored, tmp_path):
    """kernels.json of the same machine and NumPy stands beside, and says another peak."""
    import made_up

    from labkit import codec

    kernels = made_up.roofline()
    kernels.machine.cpu, kernels.machine.numpy = "a CPU", "2"
    kernels.peak.fp32_fma_gflops = made_up.rate(40.0)
    (tmp_path / "01-roofline").mkdir()
    (tmp_path / "01-roofline" / "kernels.json").write_bytes(codec.encode(kernels))
    refused(valid, "roof", "kernels.json")


def test_the_committed_record_is_no_special_case(valid: Doctored):
    """What is checked is in the folder, wherever that stands: nothing of this checkout's own records is read."""
    record = json.loads((valid.folder / "results.json").read_text())
    assert record["short_name"] == "a CPU"
    assert valid.checks()["gflops"].passed
