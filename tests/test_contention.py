"""The estimator of a core alone: on recordings of a shared machine, and on made-up machines of known truth."""

import csv
import gzip
import io
import math
from functools import cache
from pathlib import Path
from statistics import median

import numpy as np
import pytest

from labkit import contention

RECORDINGS = Path(__file__).parent / "recordings"
CELLS = ("matmul64", "matmul256", "matmul512", "matmul1024", "einsum64", "einsum512")


@cache
def recorded(name):
    """Columns of a recording, by name: an AVX2 guest (Zen 3) whose core another tenant shares now and then."""
    rows = list(csv.DictReader(io.StringIO(gzip.decompress((RECORDINGS / f"{name}.csv.gz").read_bytes()).decode())))
    return {key: [row[key] if key == "cell" else float(row[key]) for row in rows] for key in rows[0]}


def windows(name, seconds):
    """For each window the estimate of every cell that it has, and the median of all its samples."""
    columns = {key: np.array(values) for key, values in recorded(name).items()}
    found = []
    for start in np.arange(0, columns["t_s"][-1] - seconds + 1, seconds):
        here = (columns["t_s"] >= start) & (columns["t_s"] < start + seconds)
        # Readings in pairs: the one before and the one after each sample.
        pairs = [np.stack([columns[f"{x}_before"][here], columns[f"{x}_after"][here]], 1).ravel() for x in READINGS]
        core = contention.core_state(*pairs)
        probe = 2 * np.arange(here.sum())
        alone, fractions = core.uncontended(probe), columns["cell_gflops"][here] / core.beside(probe)
        cells, at = columns["cell"][here], columns["t_s"][here]
        found.append(
            {
                cell: (
                    contention.estimate(fractions[own], alone[own].tolist(), at[own], between=0.0),
                    float(np.median(columns["cell_gflops"][here][own])),
                )
                for cell in set(cells)
                for own in [cells == cell]
            }
        )
    return found


READINGS = ("fma", "dot16k", "dot256k")


def apart(values):
    return max(values) / min(values) - 1


@pytest.mark.parametrize(("name", "limit"), [("shared-host", 0.06), ("busy-processes", 0.08)])
@pytest.mark.parametrize("cell", CELLS)
def test_windows_of_20_s_of_a_shared_machine_agree_alone_and_not_as_they_were(name, cell, limit):
    found = [window[cell] for window in windows(name, 20)]
    alone = [e.value for e, _ in found if not e.bound]
    assert len(alone) >= 0.9 * len(found)
    assert apart(alone) < limit
    if name == "shared-host":
        assert apart([was for _, was in found]) > 1.5 * apart(alone)


@pytest.mark.parametrize(("name", "seconds"), [("shared-host", 20), ("shared-host", 60), ("busy-processes", 20)])
def test_intervals_of_a_recording_hold_the_median_of_its_windows_in_nine_of_ten_cases(name, seconds):
    held = []
    found = windows(name, seconds)
    for cell in CELLS:
        estimates = [window[cell][0] for window in found if not window[cell][0].bound]
        center, half = median(e.value for e in estimates), 2 * contention.BETWEEN_PROCESSES
        held += [e.low * (1 - half) <= center <= e.high * (1 + half) for e in estimates]
    assert sum(held) >= 0.9 * len(held)


def test_the_speedup_over_the_interpreter_repeats_within_5_per_cent_where_all_samples_differ_by_half():
    found = windows("with-naive", 30)
    alone = [w["matmul1024"][0].value / w["naive20"][0].value for w in found if not w["naive20"][0].bound]
    was = [w["matmul1024"][1] / w["naive20"][1] for w in found]
    assert apart(alone) < 0.05 < 0.4 < apart(was)


# --- made-up machines ------------------------------------------------------------------------------------

# What a cell does of its rate alone while the core is shared, and a dot; the FMA loop hardly notices.
SHARED_CELL, SHARED_DOT, SHARED_FMA = 0.65, 0.7, 0.97


def machine(seed, contended=0.5, spell=8.0, drift=0.0, tails=0.0, between=0.005, rounds=80, truth=0.8):
    """A run of one cell, a sample every 0.4 s: its estimate. The states come and go in spells of so many seconds."""
    rng = np.random.default_rng(seed)
    luck, now, shared, switch = math.exp(rng.normal(0, between)), 0.0, rng.random() < contended, 0.0
    fma, l1, l2, values, at = [], [], [], [], []

    def reading(ghz):
        rate = 100 * ghz * (SHARED_FMA if shared else 1) * math.exp(rng.normal(0, 0.003))
        dots = rate * (SHARED_DOT / SHARED_FMA if shared else 1)
        fma.append(rate)
        l1.append(0.25 * dots * math.exp(rng.normal(0, 0.01)))
        l2.append(0.8 * dots * math.exp(rng.normal(0, 0.01)))

    for _ in range(rounds):
        ghz = 1 + drift * math.sin(now / 20)
        reading(ghz)
        rate = truth * luck * 100 * ghz * (SHARED_CELL if shared else 1) * math.exp(rng.normal(0, 0.006))
        values.append(rate * (1 - 0.3 * rng.random() if rng.random() < tails else 1))
        reading(ghz)
        at.append(now)
        now += 0.4
        if now > switch:
            switch = now + rng.exponential(spell)
            shared = rng.random() < contended
    core = contention.core_state(fma, l1, l2, (0.25, 0.8))
    probe = range(0, 2 * rounds, 2)
    fractions = np.array(values) / core.beside(probe)
    return contention.estimate(fractions.tolist(), core.uncontended(probe).tolist(), at), core


@pytest.mark.parametrize(
    "kind",
    [
        {},
        {"contended": 0.8},
        {"drift": 0.05},
        {"tails": 0.05},
        {"contended": 0.0},  # a machine that nobody shares, or a core without a second hardware thread
        {"spell": 1.0},
        {"spell": 20.0, "rounds": 200},
    ],
    ids=str,
)
def test_the_interval_of_a_made_up_machine_holds_the_truth_in_nine_of_ten_of_200_runs(kind):
    runs = [machine(seed, **kind)[0] for seed in range(200)]
    assert sum(run.low <= 0.8 <= run.high for run in runs) >= 180
    told = [run for run in runs if not run.bound]
    assert len(told) > 80
    assert median(run.high / run.low - 1 for run in told) < 0.06


def test_a_machine_that_nobody_shares_is_hardly_ever_taken_for_a_shared_one():
    assert median(machine(seed, contended=0.0)[1].contended for seed in range(50)) < 0.02


def test_a_run_that_never_had_the_core_to_itself_says_so_by_what_the_roofline_knows():
    found, core = machine(1, contended=1.0)
    assert found.bound
    assert core.contended > 0.95
    assert found.low < 0.8 < found.high


def test_too_few_uncontended_samples_give_a_bound_that_holds_the_truth():
    rng = np.random.default_rng(0)
    values = (0.8 * SHARED_CELL * np.exp(rng.normal(0, 0.01, 40))).tolist()
    found = contention.estimate(values, [False] * 40, range(40))
    assert found.bound
    assert found.uncontended == 0
    assert found.low < 0.8 < found.high


def test_the_peak_is_that_of_the_readings_that_were_alone():
    core = contention.core_state([100.0] * 9 + [97.0] * 9, [25.0] * 9 + [17.0] * 9, [80.0] * 9 + [55.0] * 9)
    assert core.peak_gflops == 100.0
    assert core.contended == 0.5
    assert core.uncontended([0, 8, 9]).tolist() == [True, False, False]
