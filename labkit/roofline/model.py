"""The roofline model: attainable rate, intensities of a matrix product, crossover; and how streams count. Pure."""

from typing import Literal

Pattern = Literal["load", "copy", "triad", "copy_streaming"]
# Arrays that a pattern's loop loads and stores: what a call moves, as STREAM counts it.
LOADS_STORES: dict[Pattern, tuple[int, int]] = {
    "load": (1, 0),
    "copy": (1, 1),
    "triad": (2, 1),
    "copy_streaming": (1, 1),
}

# Each step reads one fp32 element of A and one of B for a multiply and an add: no reuse at all.
NO_REUSE_INTENSITY = 2 / (2 * 4)  # 0.25 flop/byte


def compulsory_intensity(n: float) -> float:
    """Flop/byte when each operand crosses the bus once, 2 N^3 flops over 12 N^2 bytes: no product can do better."""
    return n / 6


def attainable(intensity: float, peak_gflops: float, gbs: float) -> float:
    """GFLOPS that the roofline allows at an intensity: min(peak, intensity x bandwidth)."""
    return min(peak_gflops, intensity * gbs)


def crossover_n(peak_gflops: float, gbs: float) -> float:
    """The N from which a product with compulsory traffic is bound by the peak, not by memory: 6 peak / b."""
    return 6 * peak_gflops / gbs


def proven_intensity(gflops: float, gbs: float) -> float:
    """The least intensity that explains a rate: no more than `gbs` came from memory."""
    return gflops / gbs
