"""Register-only and streaming loops in LLVM IR: what one core can do, with no C compiler.

No optimisation pass is run, so the loop that is written is the loop that runs; the emitted assembly is
checked all the same before a number is believed.
"""

import ctypes
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from labkit.errors import LabError
from labkit.sampling import Workload

UNROLL = 4
# m = 0.9999 and c = 1e-4 have their fixed point at 1: accumulators stay finite and normal for ever.
# Through the addend they grow until a step no longer changes them, below 2000.
MULTIPLIER, ADDEND = 0.9999, 1e-4
# Loop trips of a call: some 0.1 ms, so that entering through ctypes (about 1 us) does not count.
PEAK_TRIPS = 4_000
CLOCK_TRIPS, CLOCK_ADDS = 4_000, 64
STREAM_UNROLL = 8
# The arrays of a stream start at different places in their pages, lest stores alias with later loads.
STREAM_OFFSETS = (0, 1344, 2688)  # bytes
# A call of a streaming loop moves at least this much, in as many passes as that takes.
STREAM_BYTES_PER_CALL = 4 << 20


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
    def in_addend(self) -> bool:
        """Whether the multiply-add overwrites its addend and nothing else."""
        return self.instruction_set == "NEON"


def choose_target(triple: str, cpu: str, features: Any) -> Target:
    """The widest vectors that these features (a mapping of names to bools) allow."""
    has = partial(_has, features)
    flat = ",".join(f"{'+' if on else '-'}{name}" for name, on in sorted(dict(features).items()))
    if triple.startswith(("aarch64", "arm64")):
        return Target(triple, cpu, flat, "NEON", 4, 32, fma=True)
    if has("avx512f"):
        return Target(triple, cpu, flat, "AVX-512", 16, 32, fma=True)
    if has("avx"):
        return Target(triple, cpu, flat, "AVX2 + FMA" if has("fma") else "AVX", 8, 16, fma=has("fma"))
    if triple.startswith("x86_64"):
        return Target(triple, cpu, flat, "SSE", 4, 16, fma=False)
    raise LabError(f"no probe is written for {triple.split('-')[0]}: x86-64 and 64-bit Arm are known")


def _has(features: Any, name: str) -> bool:
    return bool(dict(features).get(name, False))


def host_target() -> Target:
    """The machine at hand."""
    return choose_target(llvm.get_process_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features())


# --- the loops, as IR -------------------------------------------------------------------------------


def peak_ir(lanes: int, accumulators: int, fma: bool, in_addend: bool = False) -> str:
    """`kernel(trips, data)`: independent chains a = a * m + c, all operands loaded and all results stored.

    With `in_addend` the chain runs through the addend, a = m * c + a: an instruction set whose multiply-add
    overwrites its addend (NEON's fmla) would need a copy for each of the other kind.
    """
    v = f"<{lanes} x float>" if lanes > 1 else "float"
    suffix = f"v{lanes}f32" if lanes > 1 else "f32"
    lines = [
        f"declare {v} @llvm.fma.{suffix}({v}, {v}, {v})",
        "define void @kernel(i64 %trips, ptr %data) {",
        "entry:",
        *_load(v, "m", 0),
        *_load(v, "c", lanes),
    ]
    for a in range(accumulators):
        lines += _load(v, f"s{a}", (2 + a) * lanes)
    lines += ["  br label %loop", "loop:", "  %i = phi i64 [ 0, %entry ], [ %next, %loop ]"]
    for a in range(accumulators):
        lines.append(f"  %a{a}.0 = phi {v} [ %s{a}, %entry ], [ %a{a}.{UNROLL}, %loop ]")
    for u in range(UNROLL):
        for a in range(accumulators):
            old, new = f"%a{a}.{u}", f"%a{a}.{u + 1}"
            if fma:
                operands = f"{v} %m, {v} %c, {v} {old}" if in_addend else f"{v} {old}, {v} %m, {v} %c"
                lines.append(f"  {new} = call {v} @llvm.fma.{suffix}({operands})")
            else:
                lines.append(f"  %t{a}.{u} = fmul {v} {old}, %m")
                lines.append(f"  {new} = fadd {v} %t{a}.{u}, %c")
    lines += _loop_end("trips")
    for a in range(accumulators):
        lines.append(f"  store {v} %a{a}.{UNROLL}, ptr %s{a}.p, align 4")
    return "\n".join([*lines, "  ret void", "}"])


def _load(v: str, name: str, element: int) -> list[str]:
    return [
        f"  %{name}.p = getelementptr float, ptr %data, i64 {element}",
        f"  %{name} = load {v}, ptr %{name}.p, align 4",
    ]


def _loop_end(bound: str) -> list[str]:
    return [
        "  %next = add i64 %i, 1",
        f"  %more = icmp ult i64 %next, %{bound}",
        "  br i1 %more, label %loop, label %done",
        "done:",
    ]


def clock_ir() -> str:
    """`kernel(trips, data)`: one chain of dependent integer adds, a cycle each on every core there is.

    Each sum adds the two before it, as Fibonacci's numbers do: a repeated x + s would be folded to x + 2 s.
    """
    last, before = f"%x{CLOCK_ADDS}", f"%x{CLOCK_ADDS - 1}"
    lines = [
        "define void @kernel(i64 %trips, ptr %data) {",
        "entry:",
        "  %step = load i64, ptr %data",
        "  br label %loop",
        "loop:",
        "  %i = phi i64 [ 0, %entry ], [ %next, %loop ]",
        f"  %before = phi i64 [ %step, %entry ], [ {before}, %loop ]",
        f"  %x0 = phi i64 [ %step, %entry ], [ {last}, %loop ]",
        "  %x1 = add i64 %x0, %before",
        *(f"  %x{k} = add i64 %x{k - 1}, %x{k - 2}" for k in range(2, CLOCK_ADDS + 1)),
        *_loop_end("trips"),
        f"  store i64 {last}, ptr %data",
        "  ret void",
        "}",
    ]
    return "\n".join(lines)


def stream_ir(pattern: str, lanes: int, fma: bool) -> str:
    """`kernel(passes, elements, a, b, c)`: load reads a; copy is b = a; triad is c = a * s + b.

    `elements` is a multiple of lanes x 8. The s of triad is the first element of a.
    """
    v, vi = f"<{lanes} x float>", f"<{lanes} x i32>"
    lines = [
        f"declare {v} @llvm.fma.v{lanes}f32({v}, {v}, {v})",
        "define void @kernel(i64 %passes, i64 %elements, ptr %a, ptr %b, ptr %c) {",
        "entry:",
        "  %s.0 = load float, ptr %a",
        f"  %s.1 = insertelement {v} poison, float %s.0, i64 0",
        f"  %s = shufflevector {v} %s.1, {v} poison, <{lanes} x i32> zeroinitializer",
        "  br label %pass",
        "pass:",
        "  %p = phi i64 [ 0, %entry ], [ %p.next, %pass.end ]",
        "  br label %loop",
        "loop:",
        "  %i = phi i64 [ 0, %pass ], [ %next, %loop ]",
    ]
    if pattern == "load":
        lines += [f"  %o{u} = phi {vi} [ zeroinitializer, %pass ], [ %o{u}.next, %loop ]" for u in range(STREAM_UNROLL)]
    for u in range(STREAM_UNROLL):
        lines.append(f"  %i{u} = add i64 %i, {u * lanes}")
        for array in {"load": "a", "copy": "ab", "triad": "abc"}[pattern]:
            lines.append(f"  %{array}{u} = getelementptr float, ptr %{array}, i64 %i{u}")
        if pattern == "load":
            # A bitwise or: any of three or four vector units can take it, so that loads are the limit.
            lines.append(f"  %x{u} = load {vi}, ptr %a{u}, align {4 * lanes}")
            lines.append(f"  %o{u}.next = or {vi} %o{u}, %x{u}")
        elif pattern == "copy":
            lines += [
                f"  %x{u} = load {v}, ptr %a{u}, align {4 * lanes}",
                f"  store {v} %x{u}, ptr %b{u}, align {4 * lanes}",
            ]
        else:
            lines += [
                f"  %x{u} = load {v}, ptr %a{u}, align {4 * lanes}",
                f"  %y{u} = load {v}, ptr %b{u}, align {4 * lanes}",
            ]
            if fma:
                lines.append(f"  %z{u} = call {v} @llvm.fma.v{lanes}f32({v} %x{u}, {v} %s, {v} %y{u})")
            else:
                lines += [f"  %w{u} = fmul {v} %x{u}, %s", f"  %z{u} = fadd {v} %w{u}, %y{u}"]
            lines.append(f"  store {v} %z{u}, ptr %c{u}, align {4 * lanes}")
    lines += [
        f"  %next = add i64 %i, {lanes * STREAM_UNROLL}",
        "  %more = icmp ult i64 %next, %elements",
        "  br i1 %more, label %loop, label %pass.end",
        "pass.end:",
    ]
    if pattern == "load":
        # Written out each pass: nothing of what was read may be left unused.
        for u in range(STREAM_UNROLL):
            lines.append(f"  %c{u} = getelementptr float, ptr %c, i64 {u * lanes}")
            lines.append(f"  store {vi} %o{u}.next, ptr %c{u}, align {4 * lanes}")
    lines += [
        "  %p.next = add i64 %p, 1",
        "  %again = icmp ult i64 %p.next, %passes",
        "  br i1 %again, label %pass, label %done",
        "done:",
        "  ret void",
        "}",
    ]
    return "\n".join(lines)


# --- compiling and checking -------------------------------------------------------------------------


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


def check_loop(assembly: str, fmas: int, fma: bool) -> list[str]:
    """What is wrong with an emitted peak loop: its arithmetic miscounted, a call, a stack reference."""
    body = loop_body(assembly)
    if not body:
        return ["no loop was found"]
    text = "\n".join(body)
    faults = []
    patterns = [r"^(vfmadd\w+[ps]s|fmla|fmadd)\b"] if fma else [r"^(v?mul[ps]s|fmul)\b", r"^(v?add[ps]s|fadd)\b"]
    for pattern in patterns:
        count = len(re.findall(pattern, text, re.MULTILINE))
        if count != fmas:
            faults.append(f"{count} instructions of {pattern} instead of {fmas}")
    if re.search(r"^(v?mov[au]ps|mov|orr)\s+[%v][^(\[]*$", text, re.MULTILINE):
        faults.append("a copy between registers in the loop")
    if re.search(r"^(call|bl|blr)\b", text, re.MULTILINE):
        faults.append("a call in the loop")
    if re.search(r"\(%[re][sb]p\)|%[re][sb]p\b|\[sp\b|\bsp,", text):
        faults.append("a stack reference in the loop")
    return faults


# --- workloads --------------------------------------------------------------------------------------


def _aligned(elements: int, offset_bytes: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    """fp32 ones that start `offset_bytes` into a page; every page touched."""
    raw = np.empty(elements * 4 + 8192, dtype=np.uint8)
    start = (-raw.ctypes.data) % 4096 + offset_bytes
    array = raw[start : start + 4 * elements].view(np.float32)
    array[:] = 1.0
    return array


def peak_probe(target: Target, lanes: int, accumulators: int, fma: bool, name: str) -> Workload:
    """The FMA loop (multiply and add where `fma` is false); a LabError if its code is not what was meant."""
    ir = peak_ir(lanes, accumulators, fma, target.in_addend)
    faults = check_loop(emit_assembly(ir, target), accumulators * UNROLL, fma)
    if faults:
        raise LabError(f"the {name} probe was compiled to something else: {'; '.join(faults)}")
    data = _aligned((2 + accumulators) * lanes)
    data[:lanes], data[lanes : 2 * lanes] = MULTIPLIER, ADDEND
    function = compile_ir(ir, [ctypes.c_int64, ctypes.c_void_p])
    # The partial holds the array: its address must outlive the calls.
    call = partial(_keep(function, data), PEAK_TRIPS, data.ctypes.data)
    return Workload(name, accumulators, call, flops=2 * lanes * accumulators * UNROLL * PEAK_TRIPS)


def clock_probe() -> Workload:
    """The chain of dependent adds; its "flops" are adds, so that its rate in 10^9 a second is GHz."""
    data = np.ones(1, dtype=np.int64)
    function = compile_ir(clock_ir(), [ctypes.c_int64, ctypes.c_void_p])
    return Workload(
        "clock",
        1,
        partial(_keep(function, data), CLOCK_TRIPS, data.ctypes.data),
        flops=CLOCK_TRIPS * CLOCK_ADDS,
    )


def stream_probe(target: Target, pattern: str, level: str, working_set: int) -> Workload:
    """A streaming loop over `working_set` bytes in all (rounded down to whole loop trips)."""
    arrays = {"load": 1, "copy": 2, "triad": 3}[pattern]
    step = target.lanes * STREAM_UNROLL
    elements = max(step, working_set // (4 * arrays) // step * step)
    held = [_aligned(elements, STREAM_OFFSETS[i]) for i in range(arrays)]
    scratch = _aligned(step)
    pointers = [array.ctypes.data for array in held] + [scratch.ctypes.data] * (3 - arrays)
    function = compile_ir(
        stream_ir(pattern, target.lanes, target.fma), [ctypes.c_int64, ctypes.c_int64, *[ctypes.c_void_p] * 3]
    )
    total = 4 * elements * arrays
    passes = max(1, STREAM_BYTES_PER_CALL // total)
    call = partial(_keep(function, (held, scratch)), passes, elements, *pointers)
    return Workload(f"{pattern} {level}", total, call, bytes=total * passes)


def _keep(function: Any, held: Any) -> Any:
    """The function, with what its pointers point to kept alive."""
    function.held = held
    return function
