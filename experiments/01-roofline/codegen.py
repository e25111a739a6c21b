"""From LLVM IR to code for the machine at hand, and what the emitted assembly must look like.

No optimisation pass is run, so the loop that is written is the loop that runs; the emitted assembly is
checked all the same before a number is believed.
"""

import ctypes
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import llvmlite.binding as llvm

from labkit.errors import LabError


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

    @property
    def in_addend(self) -> bool:
        """Whether the multiply-add overwrites its addend and nothing else."""
        return self.arm


def choose_target(triple: str, cpu: str, features: Mapping[str, bool]) -> Target:
    """The widest vectors that these features allow. A LabError for an architecture without a probe."""
    flat = ",".join(f"{'+' if on else '-'}{name}" for name, on in sorted(features.items()))
    if triple.startswith(("aarch64", "arm64")):
        # No name: LLVM's model of some Arm CPUs is incomplete and ends the process, and these loops need none.
        return Target(triple, "generic", flat, "NEON", 4, 32, fma=True)
    if not triple.startswith("x86_64"):
        raise LabError(f"no probe is written for {triple.split('-')[0]}: x86-64 and 64-bit Arm are known")
    if features.get("avx512f"):
        return Target(triple, cpu, flat, "AVX-512", 16, 32, fma=True)
    if features.get("avx"):
        fma, name = features.get("fma", False), "AVX2" if features.get("avx2") else "AVX"
        return Target(triple, cpu, flat, f"{name} + FMA" if fma else name, 8, 16, fma=fma)
    return Target(triple, cpu, flat, "SSE", 4, 16, fma=False)


def host_target() -> Target:
    """The machine at hand. A CPU whose features LLVM cannot tell is taken for the least of its kind."""
    triple = llvm.get_process_triple()
    try:
        return choose_target(triple, llvm.get_host_cpu_name(), dict(llvm.get_host_cpu_features()))
    except RuntimeError:
        return choose_target(triple, "", {})  # without the name too, which would bring its features back


def doubts(target: Target, isa: Sequence[str]) -> list[str]:
    """Where the instruction sets that the system lists go beyond those that code is generated for."""
    wider = {"avx512f": 16, "avx": 8}
    missed = [name for name, lanes in wider.items() if name in isa and lanes > target.lanes]
    missed += ["fma"] if "fma" in isa and not target.fma else []
    if missed and not target.arm:
        return [
            f"the system lists {missed[0]}, but LLVM does not know this CPU ({target.cpu}) to have it: "
            f"the peak is that of {target.instruction_set} and may be too low"
        ]
    return []


# --- compiling --------------------------------------------------------------------------------------


def _machine(target: Target) -> Any:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    found = llvm.Target.from_triple(target.triple)
    return found.create_target_machine(cpu=target.cpu, features=target.features, opt=3)


def emit_assembly(ir: str, target: Target) -> str:
    """The assembly that this IR becomes, for any target LLVM knows."""
    module = llvm.parse_assembly(ir)
    module.verify()
    return str(_machine(target).emit_assembly(module))


def compile_ir(ir: str, arguments: Sequence[Any]) -> Any:
    """A ctypes function of the IR's `kernel`, for the machine at hand."""
    module = llvm.parse_assembly(ir)
    module.verify()
    engine = llvm.create_mcjit_compiler(module, _machine(host_target()))
    engine.finalize_object()
    function = ctypes.CFUNCTYPE(None, *arguments)(engine.get_function_address("kernel"))
    function.engine = engine  # type: ignore[attr-defined]  # the code lives as long as its engine
    return function


# --- checking ---------------------------------------------------------------------------------------

_X86_REGISTER = {16: "zmm", 8: "ymm", 4: "xmm", 1: "xmm"}
_ARITHMETIC = re.compile(r"^(v?(fn?m(add|sub)\w*|mul|add|sub|div)[ps][sd]|fn?ml[as]|fn?m(add|sub|ul)|f(add|sub|div))\b")
_INTEGER_ADD = re.compile(r"^(add[ql]?|lea[ql]?)\s")
_CALL = re.compile(r"^(call\w*|bl|blr)\b")
_STACK = re.compile(r"\(%[re][sb]p\)|%[re][sb]p\b|\[(sp|x29)\b|\bsp,")
_MEMORY = re.compile(r"\(%|\[")
_REGISTER_COPY = re.compile(r"^(v?mov[au]ps|f?mov(\.16b)?|orr(\.16b)?)\s+[%vsdq][^(\[]*$")


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


def _disorder(body: list[str]) -> list[str]:
    """What no loop of ours may hold."""
    faults = []
    if any(_CALL.search(line) for line in body):
        faults.append("a call in the loop")
    if any(_STACK.search(line) for line in body):
        faults.append("a stack reference in the loop")
    return faults


def check_loop(
    assembly: str, target: Target, lanes: int, multiply_adds: int, fma: bool, adds: int = 0, ticks: int = 0
) -> list[str]:
    """What is wrong with an emitted peak loop: arithmetic miscounted or of another width, a copy, memory, a call.

    `multiply_adds`, `adds` and `ticks` (additions of integers) are those of one trip; without `fma` a multiply-add is
    a multiply and an add.
    """
    body = loop_body(assembly)
    if not body:
        return ["no loop was found"]
    faults = []
    wanted = {"multiply-add": multiply_adds if fma else 0, "multiply": 0 if fma else multiply_adds}
    wanted["add"] = adds + (0 if fma else multiply_adds)
    for name, count in wanted.items():
        found = sum(bool(_arithmetic(target, lanes, name).search(line)) for line in body)
        if found != count:
            faults.append(f"{found} instructions to {name} {32 * lanes} bits instead of {count}")
    in_all = sum(bool(_ARITHMETIC.search(line)) for line in body)
    if not faults and in_all != sum(wanted.values()):
        faults.append(f"{in_all} instructions of arithmetic instead of {sum(wanted.values())}")
    if any(_REGISTER_COPY.search(line) for line in body):
        faults.append("a copy between registers in the loop")
    if any(_MEMORY.search(line) and not _STACK.search(line) and not line.startswith("lea") for line in body):
        faults.append("an access to memory in the loop")
    return faults + _miscounted_ticks(body, ticks) + _disorder(body)


def check_clock(assembly: str, ticks: int) -> list[str]:
    """What is wrong with the clock's loop: another number of additions, memory, a call, the stack."""
    body = loop_body(assembly)
    return (_miscounted_ticks(body, ticks) + _disorder(body)) if body else ["no loop was found"]


def _miscounted_ticks(body: list[str], ticks: int) -> list[str]:
    found = sum(bool(_INTEGER_ADD.search(line)) for line in body)
    # The loop's counter may be added to as well.
    return [] if ticks <= found <= ticks + 1 else [f"{found} additions of integers instead of {ticks}"]


def _arithmetic(target: Target, lanes: int, name: str) -> re.Pattern[str]:
    """An instruction of this kind on registers of this width."""
    if target.arm:
        words = {"multiply-add": "fmla|fmadd", "multiply": "fmul", "add": "fadd"}[name]
        # Apple's assembler puts the shape behind the name: fmla.4s v0, v1, v2.
        return re.compile(rf"^({words})" + (r"(\s+v\d+\.4s|\.4s\s+v\d+)" if lanes > 1 else r"\s+s\d+"))
    words = {"multiply-add": r"vfn?madd\w*", "multiply": "v?mul", "add": "v?add"}[name]
    return re.compile(rf"^({words}){'ps' if lanes > 1 else 'ss'}\s.*%{_X86_REGISTER[lanes]}\d+$")


def check_stream(assembly: str, target: Target, loads: int, stores: int, streaming: bool) -> list[str]:
    """What is wrong with an emitted streaming loop: another number of full-width loads or stores, a call, the stack."""
    body = loop_body(assembly)
    if not body:
        return ["no loop was found"]
    found_loads, found_stores = _arm_accesses(body) if target.arm else _x86_accesses(body, target)
    faults = []
    if (found_loads, found_stores) != (loads, stores):
        faults.append(f"{found_loads} loads and {found_stores} stores instead of {loads} and {stores}")
    past_caches = sum(2 if line.startswith("stnp") else 1 for line in body if re.match(r"v?movntps|stnp", line))
    if streaming and past_caches != stores:
        faults.append(f"{past_caches} streaming stores instead of {stores}")
    return faults + _disorder(body)


def _x86_accesses(body: list[str], target: Target) -> tuple[int, int]:
    """(loads, stores) of full-width registers. In this syntax the destination stands last."""
    register = f"%{_X86_REGISTER[target.lanes]}"
    wide = [line for line in body if "(%" in line and register in line and not re.match(r"\w+s[sd]\s", line)]
    stores = sum(line.endswith(")") for line in wide)
    return len(wide) - stores, stores


def _arm_accesses(body: list[str]) -> tuple[int, int]:
    """(loads, stores) of 128-bit registers; an instruction for a pair counts twice."""
    counts = {"ld": 0, "st": 0}
    for line in body:
        found = re.match(r"(ld|st)(n?p|u?r)\s+q", line)
        if found:
            counts[found[1]] += 2 if found[2].endswith("p") else 1
    return counts["ld"], counts["st"]
