"""Generated code, without a clock: the right instructions as often as they should stand, for every target."""

import probes
import pytest
from probes import Target, check_loop, choose_target, emit_assembly, loop_body, peak_ir, stream_ir

from labkit.errors import LabError

X86, ARM = "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"
TARGETS = {
    "x86-64": Target(X86, "x86-64", "", "SSE", 4, 16, fma=False),
    "x86-64-v2": Target(X86, "x86-64-v2", "", "SSE", 4, 16, fma=False),
    "sandybridge": Target(X86, "sandybridge", "", "AVX", 8, 16, fma=False),
    "x86-64-v3": Target(X86, "x86-64-v3", "", "AVX2 + FMA", 8, 16, fma=True),
    "x86-64-v4": Target(X86, "x86-64-v4", "", "AVX-512", 16, 32, fma=True),
    "aarch64": Target(ARM, "generic", "", "NEON", 4, 32, fma=True),
}
REGISTER = {"SSE": "xmm", "AVX": "ymm", "AVX2 + FMA": "ymm", "AVX-512": "zmm", "NEON": ".4s"}


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("accumulators", [1, 4, 10, 12])
def test_the_peak_loop_is_full_width_multiply_adds_and_nothing_else(name, accumulators):
    target = TARGETS[name]
    assembly = emit_assembly(peak_ir(target.lanes, accumulators, target.fma, target.in_addend), target)
    assert check_loop(assembly, accumulators * probes.UNROLL, target.fma) == []
    arithmetic = [line for line in loop_body(assembly) if "mul" in line or "fmadd" in line or "fmla" in line]
    assert all(REGISTER[target.instruction_set] in line for line in arithmetic)


@pytest.mark.parametrize("name", ["x86-64-v3", "x86-64-v4", "aarch64"])
def test_the_scalar_and_the_narrow_loop_are_as_narrow_as_they_say(name):
    target = TARGETS[name]
    for lanes in (1, 4):
        assembly = emit_assembly(peak_ir(lanes, 8, target.fma, target.in_addend), target)
        assert check_loop(assembly, 8 * probes.UNROLL, target.fma) == []
        assert "ymm" not in "\n".join(loop_body(assembly))


def test_more_accumulators_than_registers_is_noticed_as_a_stack_reference():
    target = TARGETS["x86-64-v3"]
    faults = check_loop(emit_assembly(peak_ir(8, 20, True), target), 20 * probes.UNROLL, True)
    assert "a stack reference in the loop" in faults


def test_a_multiply_add_that_needs_a_copy_each_time_is_noticed():
    target = TARGETS["aarch64"]
    faults = check_loop(emit_assembly(peak_ir(4, 8, True, in_addend=False), target), 8 * probes.UNROLL, True)
    assert faults == ["a copy between registers in the loop"]


def test_fma_without_hardware_for_it_is_noticed_as_a_call():
    target = TARGETS["x86-64-v2"]
    assert check_loop(emit_assembly(peak_ir(4, 4, True), target), 4 * probes.UNROLL, True)


@pytest.mark.parametrize("name", TARGETS)
def test_the_clock_is_one_unbroken_chain_of_adds(name):
    body = loop_body(emit_assembly(probes.clock_ir(), TARGETS[name]))
    adds = [line for line in body if line.split()[0] in ("addq", "add", "leaq")]
    # The counter's own add may stand among them.
    assert probes.CLOCK_ADDS <= len(adds) <= probes.CLOCK_ADDS + 1


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("pattern", ["load", "copy", "triad"])
def test_streams_move_what_they_are_counted_for(name, pattern):
    target = TARGETS[name]
    body = loop_body(emit_assembly(stream_ir(pattern, target.lanes, target.fma), target))
    assert body
    text = "\n".join(body)
    assert "call" not in text
    if name != "aarch64":
        memory = [line for line in body if "(" in line and REGISTER[target.instruction_set] in line]
        # A load may be folded into the arithmetic that uses it: each array is touched once a step all the same.
        assert len(memory) == probes.STREAM_UNROLL * {"load": 1, "copy": 2, "triad": 3}[pattern]


@pytest.mark.parametrize(
    ("triple", "features", "expected"),
    [
        (X86, {"avx512f": True, "avx": True, "fma": True}, ("AVX-512", 16, True)),
        (X86, {"avx512f": False, "avx": True, "fma": True}, ("AVX2 + FMA", 8, True)),
        (X86, {"avx": True, "fma": False}, ("AVX", 8, False)),
        (X86, {"sse2": True}, ("SSE", 4, False)),
        (ARM, {"neon": True}, ("NEON", 4, True)),
        ("arm64-apple-darwin23", {}, ("NEON", 4, True)),
    ],
)
def test_the_widest_vectors_of_the_host_are_chosen(triple, features, expected):
    target = choose_target(triple, "generic", features)
    assert (target.instruction_set, target.lanes, target.fma) == expected


def test_an_architecture_without_a_probe_is_one_clear_line():
    with pytest.raises(LabError, match="riscv64"):
        choose_target("riscv64-unknown-linux-gnu", "generic", {})


def test_a_stream_reads_and_writes_its_arrays_and_stays_inside_them():
    target = probes.host_target()
    for pattern, arrays in (("copy", 2), ("triad", 3)):
        workload = probes.stream_probe(target, pattern, "L1", 4096 * arrays)
        held, _ = workload.call.func.held
        held[0][:] = 2.0
        held[-1][:] = 0.0
        workload.call()
        # copy: b = a; triad: c = a * s + b with s the first element of a.
        assert (held[-1] == (2.0 if pattern == "copy" else 2.0 * 2.0 + held[1])).all()
        assert workload.bytes % workload.n == 0


def test_the_accumulators_stay_finite():
    target = probes.host_target()
    workload = probes.peak_probe(target, target.lanes, 4, target.fma, "peak")
    for _ in range(3):
        workload.call()
    data = workload.call.func.held[2 * target.lanes :]
    assert ((data > 0.9) & (data < 2000)).all()


def test_flops_of_a_peak_probe_are_those_of_its_loop():
    target = probes.host_target()
    workload = probes.peak_probe(target, target.lanes, 4, target.fma, "peak")
    per_trip = 2 * target.lanes * 4 * probes.UNROLL  # a multiply and an add a lane
    assert workload.flops == per_trip * workload.call.args[0]


@pytest.mark.parametrize(("pattern", "arrays"), [("load", 1), ("copy", 2), ("triad", 3)])
def test_bytes_of_a_stream_are_those_of_the_arrays_it_passes_over(pattern, arrays):
    workload = probes.stream_probe(probes.host_target(), pattern, "L1", 12_288)
    passes, elements = workload.call.args[:2]
    held, _ = workload.call.func.held
    assert len(held) == arrays
    assert workload.n == sum(array.nbytes for array in held) <= 12_288
    assert workload.bytes == passes * arrays * 4 * elements
