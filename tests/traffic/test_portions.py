"""Some rows of i stand for all."""

import pytest

from labkit.traffic.hierarchy import shape
from labkit.traffic.streams import LOOPS, simulate


@pytest.mark.parametrize(("n", "second"), [(256, 512 << 10), (256, 256 << 10)])  # which B fills by half, and just
@pytest.mark.parametrize("name", [name for name, (_, rows, _) in LOOPS.items() if rows])  # others run whole
def test_a_sampled_run_fetches_at_every_level_what_the_whole_does_within_2_percent(name, n, second):
    levels = [shape(1, 32 << 10, 8), shape(2, second, 8), shape(3, 32 << 20, 16)]
    (exact, whole), (sampled, part) = (simulate(name, n, levels, steps) for steps in (n**3, n**3 // 8))
    assert (whole, part < 0.6) == (1, True)
    assert sampled[:, :, 0] == pytest.approx(exact[:, :, 0], rel=0.02, abs=8)
