"""For which CPU code is generated, what is refused before LLVM is called, and which loops are not worth timing."""

import subprocess
import sys
from pathlib import Path

import pytest
from targets import ARM, MAC, TARGETS, X86, emit

from labkit.errors import UserError
from labkit.roofline import codegen
from labkit.roofline.codegen import choose_target, compile_ir, doubts, host_target, loop_body, loop_faults
from labkit.roofline.loops import peak_ir, stream_ir

TESTS = Path(__file__).resolve().parents[1]


# --- the target -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("triple", "features", "expected"),
    [
        (X86, {"avx512f": True, "avx": True, "fma": True}, ("AVX-512", 16, 32, True)),
        (X86, {"avx512f": False, "avx2": True, "avx": True, "fma": True}, ("AVX2 + FMA", 8, 16, True)),
        (X86, {"avx": True, "fma": True}, ("AVX + FMA", 8, 16, True)),
        (X86, {"avx": True, "avx2": True}, ("AVX2", 8, 16, False)),
        (X86, {"avx": True}, ("AVX", 8, 16, False)),
        (X86, {"sse2": True, "fma": True}, ("SSE", 4, 16, False)),
        (X86, {}, ("SSE", 4, 16, False)),
        (ARM, {}, ("NEON", 4, 32, True)),
        (MAC, {"neon": True}, ("NEON", 4, 32, True)),
    ],
)
def test_code_is_generated_for_the_widest_vectors_that_the_features_allow(triple, features, expected):
    target = choose_target(triple, "a-name", features)
    assert (target.instruction_set, target.lanes, target.registers, target.fma) == expected
    assert target.cpu == ("generic" if target.arm else "a-name")


def test_an_architecture_without_a_probe_is_an_error_that_names_it():
    with pytest.raises(UserError, match="no probe is written for riscv64"):
        choose_target("riscv64-unknown-linux-gnu", "", {})


def test_a_cpu_that_llvm_does_not_know_is_taken_for_the_least_of_its_kind(monkeypatch):
    def unknown():
        raise RuntimeError("no features")

    monkeypatch.setattr(codegen.llvm, "get_host_cpu_features", unknown)
    monkeypatch.setattr(codegen.llvm, "get_process_triple", lambda: X86)
    assert host_target() == choose_target(X86, "", {})


@pytest.mark.parametrize(
    ("name", "isa", "missed"),
    [
        ("x86-64", ["sse2"], None),
        ("x86-64", ["avx", "avx2", "avx512f"], "avx512f"),
        ("x86-64-v3", ["avx", "avx2", "avx512f"], "avx512f"),
        ("x86-64-v3", ["avx", "avx2", "fma"], None),
        ("sandybridge", ["avx", "fma"], "fma"),
        ("aarch64", ["neon", "asimd"], None),
    ],
)
def test_wider_vectors_than_code_is_generated_for_are_one_doubt_that_names_them(name, isa, missed):
    said = doubts(TARGETS[name], isa)
    assert len(said) == (missed is not None)
    if missed:
        assert f"the system lists {missed}, " in said[0]
        assert f"the peak is that of {TARGETS[name].instruction_set} and may be too low" in said[0]


@pytest.mark.parametrize(("bits", "doubted"), [(None, False), (128, False), (256, True), (512, True)])
def test_sve_is_a_doubt_where_its_vectors_are_longer_than_those_of_neon(bits, doubted):
    said = doubts(TARGETS["graviton3"], ["asimd", "sve"], bits)
    assert [f"SVE with vectors of {bits} bits" in line for line in said] == [True] * doubted


# --- what is refused ----------------------------------------------------------------------------------

REFUSED_OR_COMPILED = """
from labkit.errors import UserError
from assembly import kernel_text
from labkit.gemm.tile import choose_tile
from labkit.roofline.codegen import emit_assembly
from targets import TARGETS

for tile in dict.fromkeys(map(choose_tile, TARGETS.values())):
    for name, target in TARGETS.items():
        try:
            found = "tile_2" in emit_assembly(kernel_text(tile, 2, tile.nr), target)
        except UserError:
            found = False
        fits = tile.lanes <= target.lanes and (tile.register_class == "w") == target.arm
        assert found == fits, (tile, name)
print("all")
"""


def test_a_tile_of_any_cpu_compiled_for_any_other_is_code_or_an_error_and_never_the_end_of_the_process():
    """LLVM ends the process where it finds no register of the class that inline assembly asks for."""
    said = subprocess.run(
        [sys.executable, "-c", REFUSED_OR_COMPILED], cwd=TESTS, capture_output=True, text=True, check=False
    )
    assert (said.returncode, said.stdout) == (0, "all\n"), said.stderr[-2000:]


def test_a_multiply_add_that_the_host_lacks_is_refused_and_not_a_call_for_each_number(monkeypatch):
    monkeypatch.setattr(codegen, "host_target", lambda: TARGETS["sandybridge"])
    with pytest.raises(UserError, match="needs a multiply-add instruction, which AVX does not have"):
        compile_ir(peak_ir(4, 3, True), [])


# --- what is not worth timing ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", TARGETS)
def test_a_loop_with_more_chains_than_registers_is_noticed_and_one_that_fits_is_not(name):
    target = TARGETS[name]
    assert loop_faults("\tjb\t.LBB0_1\n.LBB0_1:\n\tretq\n") == ["no loop was found"]
    for chains, faults in ((3, []), (target.registers, ["a stack reference in the loop"])):
        assert loop_faults(emit(peak_ir(target.lanes, chains, target.fma, target.arm), target)) == faults


@pytest.mark.parametrize("name", ["x86-64", "sandybridge"])
def test_a_multiply_add_that_became_a_call_is_noticed(name):
    assert "a call in the loop" in loop_faults(emit(peak_ir(4, 3, True), TARGETS[name]))


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("callq\t*%r12", "a call in the loop"),
        ("blr\tx8", "a call in the loop"),
        ("bl\t_fmaf", "a call in the loop"),
        ("vmovups\t%zmm3, (%rsp)", "a stack reference in the loop"),
        ("vmovups\t-16(%rbp), %zmm3", "a stack reference in the loop"),
        ("str\tq2, [sp, #16]", "a stack reference in the loop"),
        ("sub\tsp, sp, #16", "a stack reference in the loop"),
    ],
)
def test_a_call_and_the_stack_are_noticed_in_every_syntax(line, fault):
    assert loop_faults(f".LBB0_1:\n\t{line}\n\tjne\t.LBB0_1\n") == [fault]
    assert loop_faults(f".LBB0_1:\n\tincq\t%rax\n\tjne\t.LBB0_1\n\t{line}\n") == []


def test_the_loop_is_the_innermost_one_without_what_leads_to_it_and_goes_around_it():
    for target in TARGETS.values():
        for ir in (stream_ir("load", target.lanes, target.fma), peak_ir(1, 0, False, ticks=64), peak_ir(4, 1, False)):
            body = loop_body(emit(ir, target))
            assert sum(line.split()[0] in ("cmpq", "cmp") for line in body) == 1
            assert body[-1].split()[0] in ("jb", "b.lo")


def test_comments_labels_and_directives_are_no_instructions():
    text = ".LBB0_1:\n\t.loc 1 2\n# %bb.2:\n\tincq\t%rax  # more\n; %bb.3:\n\tadd\tx8, x8 // more\n\tjne\t.LBB0_1\n"
    assert loop_body(text) == ["incq\t%rax", "add\tx8, x8", "jne\t.LBB0_1"]
