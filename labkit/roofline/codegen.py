"""From LLVM IR to code for the machine at hand, and the check that its hot loop is worth timing.

No optimisation pass is run, so the loop that is written is the loop that runs. The tests count the instructions of
every loop in the assembly for a list of CPUs; at run time only what depends on this CPU's registers is checked.
"""

import ctypes
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import llvmlite.binding as llvm

from labkit.errors import UserError


@dataclass(frozen=True)
class Target:
    """What code is generated for."""

    triple: str
    cpu: str
    features: str
    instruction_set: str
    lanes: int  # fp32 lanes of the widest vector register
    registers: int  # vector registers
    fma: bool

    @property
    def arm(self) -> bool:
        return self.triple.startswith(("aarch64", "arm64"))


def choose_target(triple: str, cpu: str, features: Mapping[str, bool]) -> Target:
    """The widest vectors that these features allow. A UserError for an architecture without a probe."""
    flat = ",".join(f"{'+' if on else '-'}{name}" for name, on in sorted(features.items()))
    if triple.startswith(("aarch64", "arm64")):
        # No name: LLVM's model of some Arm CPUs is incomplete and ends the process, and these loops need none.
        return Target(triple, "generic", flat, "NEON", 4, 32, fma=True)
    if not triple.startswith("x86_64"):
        raise UserError(f"no probe is written for {triple.split('-')[0]}: x86-64 and 64-bit Arm are known")
    fma = bool(features.get("fma") and features.get("avx"))
    if features.get("avx512f"):
        return Target(triple, cpu, flat, "AVX-512", 16, 32, fma=True)
    if features.get("avx"):
        name = "AVX2" if features.get("avx2") else "AVX"
        return Target(triple, cpu, flat, f"{name} + FMA" if fma else name, 8, 16, fma)
    return Target(triple, cpu, flat, "SSE", 4, 16, fma)


def host_target() -> Target:
    """The machine at hand. A CPU whose features LLVM does not know is taken for the least of its kind."""
    triple = llvm.get_process_triple()
    try:
        return choose_target(triple, llvm.get_host_cpu_name(), dict(llvm.get_host_cpu_features()))
    except RuntimeError:
        return choose_target(triple, "", {})  # without the name too, which would bring its features back


def doubts(target: Target, isa: Sequence[str], sve_bits: int | None = None) -> list[str]:
    """Where the instruction sets that the system lists go beyond those that code is generated for."""
    if (sve_bits or 0) > 32 * target.lanes:
        return [
            f"this CPU has SVE with vectors of {sve_bits} bits, and code is generated for {target.instruction_set} "
            f"with {32 * target.lanes}: the peak is that of {target.instruction_set} and may be too low"
        ]
    has = {"avx512f": target.lanes >= 16, "avx": target.lanes >= 8, "fma": target.fma}
    return [
        f"the system lists {name}, but LLVM does not know this CPU ({target.cpu}) to have it: "
        f"the peak is that of {target.instruction_set} and may be too low"
        for name in has
        if name in isa and not has[name] and not target.arm
    ][:1]


# A value that inline assembly holds in a vector register: its lanes, and LLVM's letter for the kind of register.
_HELD = re.compile(r'call (?:<(\d+) x float>|float) asm sideeffect "", "=([a-z])')


def _parse(ir: str, target: Target) -> tuple[Any, Any]:
    """(module, target machine). A UserError if inline assembly asks for a register that the target lacks."""
    for lanes, letter in set(_HELD.findall(ir)):
        if int(lanes or 1) > target.lanes or (letter == "w") != target.arm:
            raise UserError(  # LLVM would end the process
                f"this code holds {lanes or 1} fp32 numbers in a register of class '{letter}', "
                f"which {target.instruction_set} ({target.lanes} numbers a register) does not have"
            )
    module = llvm.parse_assembly(ir)
    module.verify()
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    found = llvm.Target.from_triple(target.triple)
    return module, found.create_target_machine(cpu=target.cpu, features=target.features, opt=3)


def emit_assembly(ir: str, target: Target) -> str:
    """The assembly that this IR becomes, for any target LLVM knows."""
    module, machine = _parse(ir, target)
    return str(machine.emit_assembly(module))


def compile_ir(ir: str, arguments: Sequence[Any]) -> Any:
    """A ctypes function of the IR's `kernel`, for the machine at hand. A UserError if this CPU cannot run it."""
    host = host_target()
    if not host.fma and re.search(r'call .*@"?llvm\.fma\.', ir):
        # LLVM would call a function of the C library for each number, or end the process where there is none.
        raise UserError(f"this code needs a multiply-add instruction, which {host.instruction_set} does not have")
    engine = llvm.create_mcjit_compiler(*_parse(ir, host))
    engine.finalize_object()
    function = ctypes.CFUNCTYPE(None, *arguments)(engine.get_function_address("kernel"))
    function.engine = engine  # type: ignore[attr-defined]  # the code lives as long as its engine
    return function


_CALL = re.compile(r"^(call\w*|bl|blr)\b")
_STACK = re.compile(r"\(%[re][sb]p\)|%[re][sb]p\b|\[(sp|x29)\b|\bsp,")


def loop_body(assembly: str) -> list[str]:
    """The instructions of the innermost loop: from a label to the first branch back to it."""
    labels: dict[str, int] = {}
    lines = [line.split("#")[0].split("//")[0].strip() for line in assembly.splitlines()]
    for number, line in enumerate(lines):
        label = re.fullmatch(r"(\.?L?BB\w+):", line)
        if label:
            labels[label[1]] = number
            continue
        branch = re.match(r"(?:j\w+|b\.?\w*|cb\w+|tb\w+)\s.*?(\.?L?BB\w+)$", line)
        if branch and branch[1] in labels:
            return [text for text in lines[labels[branch[1]] + 1 : number + 1] if text and text[0] not in ".;"]
    return []


def loop_faults(assembly: str) -> list[str]:
    """Why the innermost loop's rate would mean nothing: registers that went to the stack, a call. Empty if sound."""
    body = loop_body(assembly)
    found = {
        "no loop was found": not body,
        "a call in the loop": any(map(_CALL.search, body)),
        "a stack reference in the loop": any(map(_STACK.search, body)),
    }
    return [fault for fault, there in found.items() if there]
