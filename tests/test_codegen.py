"""What is said of emitted code: sound loops pass, and each thing that no loop may hold is noticed."""

import codegen
import pytest
from codegen import (
    Target,
    check_clock,
    check_loop,
    check_stream,
    choose_target,
    doubts,
    emit_assembly,
    host_target,
    loop_body,
)
from loops import ARRAYS, CLOCK_ADDS, LOADS_STORES, STREAM_UNROLL, UNROLL, Pattern, clock_ir, peak_ir, stream_ir
from targets import ARM, MAC, TARGETS, X86, emit

from labkit.errors import LabError

CHAINS = 3
STEPS = CHAINS * UNROLL


def peak(name, chains=CHAINS, **more):
    """A sound peak loop of the target: its assembly and the target."""
    target = TARGETS[name]
    return emit(peak_ir(target.lanes, chains, target.fma, target.in_addend, **more), target), target


def check(assembly, target, steps=STEPS, **more):
    return check_loop(assembly, target, target.lanes, steps, target.fma, **more)


def with_line(assembly, line):
    """The assembly with a line more at the head of its loop."""
    head, label, body = assembly.partition("BB0_1:\n")
    assert label
    return f"{head}{label}\t{line}\n{body}"


def without(assembly, word):
    """The assembly with its loop's first instruction of this name left out."""
    line = next(line for line in loop_body(assembly) if word in line)
    head, label, body = assembly.partition("BB0_1:\n")
    return head + label + body.replace(f"\t{line}\n", "", 1)


# --- the arithmetic's loop --------------------------------------------------------------------------


@pytest.mark.parametrize("name", TARGETS)
def test_a_loop_is_noticed_if_an_instruction_is_missing_or_was_not_asked_for(name):
    assembly, target = peak(name)
    word = ("fmla" if target.arm else "vfm") if target.fma else "mulps"
    assert check(assembly, target) == []
    assert f"{STEPS - 1} instructions to mul" in check(without(assembly, word), target)[0]
    assert check(assembly, target, STEPS + 1)
    assert check(assembly, target, STEPS - 1)
    assert check(assembly, target, adds=1)
    mixed, _ = peak(name, adds=1)
    assert check(mixed, target, adds=UNROLL) == []
    assert f"instructions to add {32 * target.lanes} bits" in check(mixed, target)[0]


@pytest.mark.parametrize("name", TARGETS)
def test_one_arithmetic_instruction_more_is_noticed(name):
    assembly, target = peak(name)
    for word in ("mul", "add"):
        line = {
            "SSE": f"{word}ps\t%xmm1, %xmm2",
            "NEON": f"f{word}.4s\tv2, v1, v2" if name == "apple-m1" else f"f{word}\tv2.4s, v1.4s, v2.4s",
            "AVX-512": f"v{word}ps\t%zmm0, %zmm1, %zmm1",
        }.get(target.instruction_set, f"v{word}ps\t%ymm0, %ymm1, %ymm1")
        assert len(check(with_line(assembly, line), target)) == 1


@pytest.mark.parametrize("name", [name for name in TARGETS if TARGETS[name].fma])
def test_a_loop_of_multiplies_and_adds_is_not_taken_for_multiply_adds_nor_these_for_those(name):
    assembly, target = peak(name)
    assert check_loop(assembly, target, target.lanes, STEPS, fma=False)
    plain = emit(peak_ir(target.lanes, CHAINS, False), target)
    assert check_loop(plain, target, target.lanes, STEPS, fma=False) == []
    assert len(check(plain, target)) == 3


@pytest.mark.parametrize("name", ["x86-64-v4", "x86-64-v3", "sandybridge", "x86-64", "aarch64", "apple-m1"])
def test_a_loop_of_one_width_is_not_taken_for_another_s(name):
    target = TARGETS[name]
    widths = [lanes for lanes in (1, 4, 8, 16) if lanes <= target.lanes]
    for lanes in widths:
        assembly = emit(peak_ir(lanes, CHAINS, target.fma, target.in_addend), target)
        sound = [w for w in widths if not check_loop(assembly, target, w, STEPS, target.fma)]
        assert sound == [lanes]


def test_a_loop_of_avx_is_not_taken_for_avx_512():
    assembly, _ = peak("x86-64-v3")
    assert check(assembly, TARGETS["x86-64-v4"]) == [f"0 instructions to multiply-add 512 bits instead of {STEPS}"]


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("beyond", [0, 4])
def test_chains_beyond_the_registers_are_noticed_as_a_stack_reference(name, beyond):
    target = TARGETS[name]
    chains = target.registers + beyond
    assembly, _ = peak(name, chains=chains)
    assert "a stack reference in the loop" in check(assembly, target, chains * UNROLL)


@pytest.mark.parametrize("name", ["x86-64", "x86-64-v2", "sandybridge"])
@pytest.mark.parametrize("lanes", [1, 4])
def test_fma_without_hardware_for_it_is_noticed_as_a_call(name, lanes):
    target = TARGETS[name]
    faults = check_loop(emit(peak_ir(lanes, CHAINS, True), target), target, lanes, STEPS, fma=True)
    assert f"0 instructions to multiply-add {32 * lanes} bits instead of {STEPS}" in faults
    assert "a call in the loop" in faults


@pytest.mark.parametrize("name", [name for name in TARGETS if TARGETS[name].arm])
def test_a_multiply_add_that_needs_a_copy_each_time_is_noticed(name):
    target = TARGETS[name]
    assembly = emit(peak_ir(4, CHAINS, True, in_addend=False), target)
    assert check(assembly, target) == ["a copy between registers in the loop"]


INTRUDERS = {
    "a call in the loop": {
        "x86-64-v4": ["callq\tfmaf@PLT", "callq\t*%r12", "call\tfmaf"],
        "aarch64": ["bl\tfmaf", "blr\tx8"],
        "apple-m1": ["bl\t_fmaf"],
    },
    "a stack reference in the loop": {
        "x86-64-v4": ["vmovups\t64(%rsp), %zmm3", "vmovups\t%zmm3, (%rsp)", "vmovups\t-16(%rbp), %zmm3"],
        "x86-64": ["movaps\t(%rsp), %xmm3", "pushq\t%rsp", "subq\t$8, %rsp"],
        "aarch64": ["ldr\tq2, [sp]", "str\tq2, [sp, #16]", "ldp\tq2, q3, [sp], #32", "sub\tsp, sp, #16"],
        "apple-m1": ["ldr\tq2, [sp]", "stp\tq2, q3, [sp, #-32]!"],
    },
    "an access to memory in the loop": {
        "x86-64-v4": ["vmovups\t(%rsi), %zmm3", "vbroadcastss\t4(%rsi), %zmm3"],
        "aarch64": ["ldr\tq2, [x1]", "prfm\tpldl1keep, [x1]"],
    },
    "a copy between registers in the loop": {
        "x86-64-v4": ["vmovaps\t%zmm1, %zmm17", "vmovups\t%ymm1, %ymm2", "vmovaps\t%xmm0, %xmm1"],
        "x86-64": ["movaps\t%xmm1, %xmm2", "movups\t%xmm1, %xmm2"],
        "aarch64": ["mov\tv1.16b, v2.16b", "orr\tv1.16b, v2.16b, v2.16b", "fmov\ts1, s2", "fmov\td1, d2"],
        "apple-m1": ["mov.16b\tv1, v2", "orr.16b\tv1, v2, v2", "fmov\ts1, s2"],
    },
}


@pytest.mark.parametrize("fault", INTRUDERS)
def test_what_no_loop_may_hold_is_noticed_by_name(fault):
    for name, lines in INTRUDERS[fault].items():
        assembly, target = peak(name)
        for line in lines:
            assert check(with_line(assembly, line), target) == [fault], (name, line)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("x86-64-v4", "vaddps\t%ymm1, %ymm2, %ymm3"), ("x86-64-v4", "vmulss\t%xmm1, %xmm2, %xmm3"),
        ("x86-64-v3", "vdivps\t%ymm1, %ymm2, %ymm3"), ("aarch64", "fsub\tv1.4s, v2.4s, v3.4s"),
        ("apple-m1", "fadd\ts1, s2, s3"), ("x86-64", "subps\t%xmm1, %xmm2"),
    ],
)  # fmt: skip
def test_arithmetic_of_another_kind_or_width_is_noticed(name, line):
    assembly, target = peak(name)
    (fault,) = check(with_line(assembly, line), target)
    assert "instructions of arithmetic instead of" in fault


@pytest.mark.parametrize("name", TARGETS)
def test_integers_that_move_beside_the_arithmetic_are_no_fault(name):
    assembly, target = peak(name, ticks=9)
    assert check(assembly, target, ticks=9) == []
    for line in ("movq\t%rdx, %r8", "mov\tx9, x10"):
        assert check(with_line(assembly, line), target, ticks=9) == []


@pytest.mark.parametrize("name", TARGETS)
def test_additions_of_the_clock_that_are_missing_or_too_many_are_noticed(name):
    assembly, target = peak(name, ticks=9)
    for ticks in (0, 7, 11):
        (fault,) = check(assembly, target, ticks=ticks)
        assert fault.endswith(f"additions of integers instead of {ticks}")
    clock = emit_assembly(clock_ir(), target)
    assert check_clock(clock, CLOCK_ADDS) == []
    assert check_clock(clock, CLOCK_ADDS + 2)
    assert check_clock(clock, CLOCK_ADDS - 2)
    assert check_clock("", CLOCK_ADDS) == ["no loop was found"]


def test_an_address_that_is_only_computed_is_no_access_to_memory():
    assembly, target = peak("x86-64-v4", ticks=9)
    assert check(with_line(assembly, "leaq\t(%rcx,%rdx), %r8"), target, ticks=10) == []


@pytest.mark.parametrize("assembly", ["", "\tretq\n", ".LBB0_1:\n\tretq\n", "\tjb\t.LBB0_1\n.LBB0_1:\n\tretq\n"])
def test_code_without_a_loop_is_no_sound_loop(assembly):
    target = TARGETS["x86-64-v3"]
    assert check(assembly, target) == ["no loop was found"]
    assert check(assembly, target, steps=0) == ["no loop was found"]
    assert check_stream(assembly, target, 0, 0, streaming=False) == ["no loop was found"]


def test_the_loop_is_the_innermost_one_without_what_leads_to_it_and_goes_around_it():
    for name in TARGETS:
        body = loop_body(emit(stream_ir("load", TARGETS[name].lanes, TARGETS[name].fma), TARGETS[name]))
        assert sum(line.split()[0] in ("cmpq", "cmp") for line in body) == 1
        assert body[-1].split()[0] in ("jb", "b.lo")
        assert loop_body(emit(clock_ir(), TARGETS[name]))[-1].split()[0] in ("jb", "b.lo")


def test_comments_labels_and_directives_are_no_instructions():
    text = ".LBB0_1:\n\t.loc 1 2\n# %bb.2:\n\tincq\t%rax  # more\n; %bb.3:\n\tadd\tx8, x8 // more\n\tjne\t.LBB0_1\n"
    assert loop_body(text) == ["incq\t%rax", "add\tx8, x8", "jne\t.LBB0_1"]


# --- streams ----------------------------------------------------------------------------------------


def stream(name, pattern: Pattern):
    target = TARGETS[name]
    return emit(stream_ir(pattern, target.lanes, target.fma), target), target


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("pattern", ARRAYS)
def test_a_stream_that_loads_or_stores_once_more_or_less_is_noticed(name, pattern):
    assembly, target = stream(name, pattern)
    loads, stores = (STREAM_UNROLL * count for count in LOADS_STORES[pattern])
    for more, stored in ((1, 0), (-1, 0), (0, 1), (0, -1), (-1, 1), (1, -1)):
        faults = check_stream(assembly, target, loads + more, stores + stored, streaming=False)
        assert faults == [f"{loads} loads and {stores} stores instead of {loads + more} and {stores + stored}"]


@pytest.mark.parametrize("name", TARGETS)
def test_an_ordinary_store_is_not_taken_for_one_past_the_caches(name):
    assembly, target = stream(name, "copy")
    assert check_stream(assembly, target, STREAM_UNROLL, STREAM_UNROLL, streaming=True) == [
        f"0 streaming stores instead of {STREAM_UNROLL}"
    ]


def test_one_ordinary_store_among_those_past_the_caches_is_noticed():
    assembly, target = stream("x86-64-v3", "copy_streaming")
    assembly = assembly.replace("vmovntps", "vmovaps", 1)
    assert check_stream(assembly, target, STREAM_UNROLL, STREAM_UNROLL, streaming=True) == [
        f"{STREAM_UNROLL - 1} streaming stores instead of {STREAM_UNROLL}"
    ]


@pytest.mark.parametrize(("narrow", "wide"), [("x86-64-v3", "x86-64-v4"), ("x86-64-v2", "x86-64-v3")])
def test_a_stream_of_narrower_registers_is_noticed(narrow, wide):
    assembly, _ = stream(narrow, "load")
    assert check_stream(assembly, TARGETS[wide], STREAM_UNROLL, 0, streaming=False)


@pytest.mark.parametrize("name", ["x86-64-v4", "aarch64", "apple-m1"])
@pytest.mark.parametrize("fault", ["a call in the loop", "a stack reference in the loop"])
def test_a_stream_that_calls_or_uses_the_stack_is_noticed(name, fault):
    assembly, target = stream(name, "load")
    head, label, body = assembly.partition("BB0_2:\n")
    for line in INTRUDERS[fault][name]:
        spoilt = f"{head}{label}\t{line}\n{body}"
        assert fault in check_stream(spoilt, target, STREAM_UNROLL, 0, streaming=False)


# --- the target -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("triple", "features", "expected"),
    [
        (X86, {"avx512f": True, "avx": True, "fma": True}, ("AVX-512", 16, 32, True)),
        (X86, {"avx512f": False, "avx2": True, "avx": True, "fma": True}, ("AVX2 + FMA", 8, 16, True)),
        (X86, {"avx": True, "fma": True}, ("AVX + FMA", 8, 16, True)),
        (X86, {"avx": True, "avx2": True}, ("AVX2", 8, 16, False)),
        (X86, {"avx": True, "fma": False}, ("AVX", 8, 16, False)),
        (X86, {"avx": True}, ("AVX", 8, 16, False)),
        (X86, {"sse2": True, "fma": True}, ("SSE", 4, 16, False)),
        (X86, {}, ("SSE", 4, 16, False)),
        ("x86_64-apple-darwin23", {"avx": True, "avx2": True, "fma": True}, ("AVX2 + FMA", 8, 16, True)),
        ("x86_64-pc-windows-msvc", {}, ("SSE", 4, 16, False)),
        (ARM, {"neon": True, "sve": True}, ("NEON", 4, 32, True)),
        (ARM, {}, ("NEON", 4, 32, True)),
        (MAC, {}, ("NEON", 4, 32, True)),
    ],
)
def test_the_widest_vectors_of_the_host_are_chosen(triple, features, expected):
    target = choose_target(triple, "generic", features)
    assert (target.instruction_set, target.lanes, target.registers, target.fma) == expected
    assert target.arm == target.in_addend == (expected[0] == "NEON")


def test_features_that_are_off_are_told_to_llvm_too():
    assert choose_target(X86, "haswell", {"fma": True, "avx": True, "avx512f": False}).features == "+avx,-avx512f,+fma"


@pytest.mark.parametrize("architecture", ["riscv64", "powerpc64le", "s390x", "i686", "armv7l", "wasm32", ""])
def test_an_architecture_without_a_probe_is_one_clear_line(architecture):
    with pytest.raises(LabError, match=f"no probe is written for {architecture}: ") as caught:
        choose_target(f"{architecture}-unknown-linux-gnu", "generic", {})
    assert "\n" not in str(caught.value)


def test_the_target_of_the_host_has_what_its_code_needs():
    target = host_target()
    assembly = emit_assembly(peak_ir(target.lanes, CHAINS, target.fma, target.in_addend), target)
    assert check(assembly, target) == []


@pytest.mark.parametrize("cpu", ["emeraldrapids", "znver3", "sandybridge", "generic"])
def test_a_cpu_whose_features_cannot_be_told_has_loops_as_they_were_meant(monkeypatch, cpu):
    def cannot_tell():
        raise RuntimeError("LLVM cannot get the features")

    monkeypatch.setattr(codegen.llvm, "get_host_cpu_features", cannot_tell)
    monkeypatch.setattr(codegen.llvm, "get_host_cpu_name", lambda: cpu)
    monkeypatch.setattr(codegen.llvm, "get_process_triple", lambda: X86)
    target = host_target()
    assert (target.instruction_set, target.lanes, target.fma) == ("SSE", 4, False)
    assert check(emit_assembly(peak_ir(4, CHAINS, False), target), target) == []
    for pattern, counts in LOADS_STORES.items():
        wanted = [STREAM_UNROLL * count for count in counts]
        assembly = emit_assembly(stream_ir(pattern, 4, False), target)
        assert check_stream(assembly, target, *wanted, streaming=pattern == "copy_streaming") == []


@pytest.mark.parametrize(
    ("name", "isa", "missed"),
    [
        ("x86-64", ["sse2"], None),
        ("x86-64", [], None),
        ("x86-64", ["sse2", "avx"], "avx"),
        ("x86-64", ["avx", "avx2", "avx512f"], "avx512f"),
        ("x86-64-v3", ["avx", "avx2", "avx512f"], "avx512f"),
        ("x86-64-v3", ["avx", "avx2", "fma"], None),
        ("x86-64-v4", ["avx", "avx512f", "avx512bw"], None),
        ("aarch64", ["neon", "asimd"], None),
    ],
)
def test_wider_vectors_than_code_is_generated_for_are_one_doubt_that_names_them(name, isa, missed):
    target: Target = TARGETS[name]
    said = doubts(target, isa)
    assert len(said) == (missed is not None)
    if missed:
        assert f"the system lists {missed}, " in said[0]
        assert f"({target.cpu})" in said[0]
        assert f"the peak is that of {target.instruction_set} and may be too low" in said[0]
