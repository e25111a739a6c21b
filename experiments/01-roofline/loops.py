"""The loops, as LLVM IR: chains of arithmetic that never leave the registers, and streams through memory. Pure."""

from typing import Literal

Pattern = Literal["load", "copy", "triad", "copy_streaming"]

UNROLL = 4
# Dependent additions in one trip of the clock's loop: enough that the loop's own branch costs nothing.
CLOCK_ADDS = 64
STREAM_UNROLL = 16
# Arrays that a pattern passes over, and how many of them it loads and stores.
ARRAYS: dict[Pattern, str] = {"load": "a", "copy": "ab", "triad": "abc", "copy_streaming": "ab"}
LOADS_STORES: dict[Pattern, tuple[int, int]] = {
    "load": (1, 0), "copy": (1, 1), "triad": (2, 1), "copy_streaming": (1, 1),
}  # fmt: skip


def peak_ir(lanes: int, chains: int, fma: bool, in_addend: bool = False, adds: int = 0, ticks: int = 0) -> str:
    """`kernel(trips, data)`: independent chains a = a * m + c, all operands loaded and all results stored.

    With `in_addend` the chain runs through the addend, a = m * c + a: an instruction set whose multiply-add
    overwrites its addend (NEON's fmla) would need a copy for each of the other kind. `adds` more chains only
    add, a = a + c. `ticks` dependent integer additions a trip run beside them: a clock under this load.
    """
    v = f"<{lanes} x float>" if lanes > 1 else "float"
    suffix = f"v{lanes}f32" if lanes > 1 else "f32"
    count = chains + adds
    lines = [
        f"declare {v} @llvm.fma.{suffix}({v}, {v}, {v})",
        "define void @kernel(i64 %trips, ptr %data) {",
        "entry:",
        *_load(v, "m", 0),
        *_load(v, "c", lanes),
    ]
    for a in range(count):
        lines += _load(v, f"s{a}", (2 + a) * lanes)
    if ticks:
        lines += [
            f"  %tick.p = getelementptr float, ptr %data, i64 {(2 + count) * lanes}",
            "  %tick = load i64, ptr %tick.p, align 4",
        ]
    lines += ["  br label %loop", "loop:", "  %i = phi i64 [ 0, %entry ], [ %next, %loop ]"]
    if ticks:
        lines += _fibonacci_start(ticks, "%tick", "%entry", "%loop")
    for a in range(count):
        lines.append(f"  %a{a}.0 = phi {v} [ %s{a}, %entry ], [ %a{a}.{UNROLL}, %loop ]")
    done = 0
    for u in range(UNROLL):
        for place, a in enumerate(_mixed(chains, adds)):
            old, new = f"%a{a}.{u}", f"%a{a}.{u + 1}"
            if a >= chains:
                lines.append(f"  {new} = fadd {v} {old}, %c")
            elif fma:
                operands = f"{v} %m, {v} %c, {v} {old}" if in_addend else f"{v} {old}, {v} %m, {v} %c"
                lines.append(f"  {new} = call {v} @llvm.fma.{suffix}({operands})")
            else:
                lines.append(f"  %t{a}.{u} = fmul {v} {old}, %m")
                lines.append(f"  {new} = fadd {v} %t{a}.{u}, %c")
            due = ticks * (u * count + place + 1) // (UNROLL * count)
            lines += [_fibonacci(k) for k in range(done + 1, due + 1)]
            done = due
    lines += _loop_end("trips")
    for a in range(count):
        lines.append(f"  store {v} %a{a}.{UNROLL}, ptr %s{a}.p, align 4")
    if ticks:
        lines.append(f"  store i64 %x{ticks}, ptr %tick.p, align 4")
    return "\n".join([*lines, "  ret void", "}"])


def _mixed(chains: int, adds: int) -> list[int]:
    """Chain numbers in the order they are issued: those that only add (from `chains` on) evenly among the others."""
    first = [((a + 0.5) / chains, a) for a in range(chains)]
    second = [((a + 0.5) / adds, chains + a) for a in range(adds)]
    return [number for _, number in sorted(first + second)]


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


def _fibonacci_start(count: int, seed: str, entry: str, loop: str) -> list[str]:
    """The two values that a chain of `count` dependent additions starts each trip with."""
    return [
        f"  %before = phi i64 [ {seed}, {entry} ], [ %x{count - 1}, {loop} ]",
        f"  %x0 = phi i64 [ {seed}, {entry} ], [ %x{count}, {loop} ]",
    ]


def _fibonacci(k: int) -> str:
    """One addition of the chain: the sum of the two before it. A repeated x + s would be folded to x + 2 s."""
    return f"  %x{k} = add i64 %x{k - 1}, " + ("%before" if k == 1 else f"%x{k - 2}")


def clock_ir() -> str:
    """`kernel(trips, data)`: one chain of dependent integer additions, a cycle each on every core there is."""
    lines = [
        "define void @kernel(i64 %trips, ptr %data) {",
        "entry:",
        "  %seed = load i64, ptr %data",
        "  br label %loop",
        "loop:",
        "  %i = phi i64 [ 0, %entry ], [ %next, %loop ]",
        *_fibonacci_start(CLOCK_ADDS, "%seed", "%entry", "%loop"),
        *(_fibonacci(k) for k in range(1, CLOCK_ADDS + 1)),
        *_loop_end("trips"),
        f"  store i64 %x{CLOCK_ADDS}, ptr %data",
        "  ret void",
        "}",
    ]
    return "\n".join(lines)


def stream_ir(pattern: Pattern, lanes: int, fma: bool) -> str:
    """`kernel(passes, elements, a, b, c)`: load reads a; copy is b = a; triad is c = a * s + b.

    `elements` is a multiple of lanes x STREAM_UNROLL. The s of triad is the first element of a. `copy_streaming`
    stores past the caches, so that a line need not be read before it is written.
    """
    v, align = f"<{lanes} x float>", f"align {4 * lanes}"
    # Two registers a store: NEON's streaming store takes a pair. Others split it.
    pair = f"<{2 * lanes} x float>"
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
    for u in range(0, STREAM_UNROLL, 2 if pattern == "copy_streaming" else 1):
        lines.append(f"  %i{u} = add i64 %i, {u * lanes}")
        lines += [f"  %{array}{u} = getelementptr float, ptr %{array}, i64 %i{u}" for array in ARRAYS[pattern]]
        if pattern == "load":
            # Volatile: it must be done though nothing uses it. Any use would take a unit's time away from loading.
            lines.append(f"  %x{u} = load volatile {v}, ptr %a{u}, {align}")
            continue
        if pattern == "copy_streaming":
            lines.append(f"  %x{u} = load {pair}, ptr %a{u}, {align}")
            lines.append(f"  store {pair} %x{u}, ptr %b{u}, {align}, !nontemporal !0")
            continue
        lines.append(f"  %x{u} = load {v}, ptr %a{u}, {align}")
        if pattern == "copy":
            lines.append(f"  store {v} %x{u}, ptr %b{u}, {align}")
        else:
            lines.append(f"  %y{u} = load {v}, ptr %b{u}, {align}")
            if fma:
                lines.append(f"  %z{u} = call {v} @llvm.fma.v{lanes}f32({v} %x{u}, {v} %s, {v} %y{u})")
            else:
                lines += [f"  %w{u} = fmul {v} %x{u}, %s", f"  %z{u} = fadd {v} %w{u}, %y{u}"]
            lines.append(f"  store {v} %z{u}, ptr %c{u}, {align}")
    lines += [
        f"  %next = add i64 %i, {lanes * STREAM_UNROLL}",
        "  %more = icmp ult i64 %next, %elements",
        "  br i1 %more, label %loop, label %pass.end",
        "pass.end:",
    ]
    lines += [
        "  %p.next = add i64 %p, 1",
        "  %again = icmp ult i64 %p.next, %passes",
        "  br i1 %again, label %pass, label %done",
        "done:",
        "  ret void",
        "}",
        "!0 = !{i32 1}",
    ]
    return "\n".join(lines)
