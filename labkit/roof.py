"""The roofline model: ridge, attainable rate, intensity of a matrix product, crossover. Pure."""

# fp32 matrix product of order N: 2 N^3 flops; A and B read once and C written once are 12 N^2 bytes.
BYTES_PER_ELEMENT = 4
# Each step reads one element of A and one of B for a multiply and an add: no reuse at all.
NO_REUSE_INTENSITY = 2 / (2 * BYTES_PER_ELEMENT)  # 0.25 flop a byte


def matmul_flops(n: int) -> int:
    """Multiplications and additions of an N x N x N product."""
    return 2 * n**3


def compulsory_intensity(n: float) -> float:
    """Flop a byte when each operand crosses the bus once: N / 6. No product can do better from cold."""
    return 2 * n**3 / (3 * BYTES_PER_ELEMENT * n**2)


def ridge(peak_gflops: float, gbs: float) -> float:
    """The intensity, flop a byte, at which memory can just feed the peak."""
    return peak_gflops / gbs


def attainable(intensity: float, peak_gflops: float, gbs: float) -> float:
    """GFLOPS that the roof allows at an intensity: min(peak, intensity x bandwidth)."""
    return min(peak_gflops, intensity * gbs)


def crossover_n(peak_gflops: float, gbs: float) -> float:
    """The N at which the memory ceiling of a product with compulsory traffic meets the peak: 6 peak / b."""
    return 6 * peak_gflops / gbs


def proven_intensity(gflops: float, gbs: float) -> float:
    """The least intensity that explains a rate: at most `gbs` came from memory, so at least P / b was done."""
    return gflops / gbs


def coprocessor(blas: str) -> bool:
    """Whether np.matmul runs on a unit of its own: Apple's Accelerate does, and is no measure of the core's vectors."""
    return blas.lower().startswith("accelerate")
