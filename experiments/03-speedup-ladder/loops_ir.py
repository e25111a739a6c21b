"""Three loops in the order i, k, j, as LLVM IR: a number at a time or a vector, whole or in blocks. Pure."""

from dataclasses import dataclass

from writer import Writer

FLOAT = 4  # bytes
# Vectors of a trip of the inner loop: its own counting then costs little beside the arithmetic.
UNROLL = 4


@dataclass(frozen=True)
class Loops:
    """How the three loops are run."""

    lanes: int = 1  # fp32 numbers that one instruction works on
    fma: bool = False  # a multiplication and an addition in one instruction
    depth: int = 0  # steps of k in a block; 0: all
    columns: int = 0  # columns in a block; 0: all


def loops_ir(loops: Loops) -> str:
    """`kernel(m, n, k, a, b, c)`: c = a b of C-ordered matrices without gaps. c[i, :] += a[i, k] b[k, :] for each k.

    No register holds anything but the number of a from one k to the next: c is read and written for each.
    """
    w = Writer("void @kernel(i64 %m, i64 %n, i64 %k, ptr %a, ptr %b, ptr %c)")
    with w.loop(w.mul(w.mul("%m", "%n"), str(FLOAT)), FLOAT) as place:
        w.do(f"store float 0.0, ptr {w.at('%c', place)}, align 4")
    row = w.mul("%n", str(FLOAT))
    columns = str(loops.columns) if loops.columns else w.maximum("%n", "1")
    depth = str(loops.depth) if loops.depth else w.maximum("%k", "1")
    with w.loop("%n", columns) as j0, w.loop("%k", depth) as k0:
        width = w.mul(w.minimum(columns, w.sub("%n", j0)), str(FLOAT))  # bytes
        whole = w.let(f"and i64 {width}, {-FLOAT * loops.lanes * UNROLL}")
        here = w.mul(j0, str(FLOAT))
        k1 = w.add(k0, w.minimum(depth, w.sub("%k", k0)))
        with w.loop("%m") as i:
            c = w.at(w.at("%c", w.mul(i, row)), here)
            a = w.at("%a", w.mul(w.mul(i, "%k"), str(FLOAT)))
            with w.loop(k1, start=k0) as k:
                b = w.at(w.at("%b", w.mul(k, row)), here)
                number = w.let(f"load float, ptr {w.at(a, w.mul(k, str(FLOAT)))}, align 4")
                _add_row(w, loops, number, b, c, (whole, width))
    lanes = {1, loops.lanes} if loops.fma else set()
    declared = [f"declare {_kind(n)} @llvm.fma.{_suffix(n)}({', '.join([_kind(n)] * 3)})" for n in sorted(lanes)]
    return "\n".join([*declared, w.text()])


def _add_row(w: Writer, loops: Loops, number: str, b: str, c: str, ends: tuple[str, str]) -> None:
    """c += number b, over a row: in vectors as far as they go, then one by one."""
    spread, v = number, _kind(loops.lanes)
    if loops.lanes > 1:
        first = w.let(f"insertelement {v} poison, float {number}, i64 0")
        spread = w.let(f"shufflevector {v} {first}, {v} poison, <{loops.lanes} x i32> zeroinitializer")
    step = FLOAT * loops.lanes
    with w.loop(ends[0], step * UNROLL) as place:
        b_here, c_here = w.at(b, place), w.at(c, place)
        for u in range(UNROLL):
            _multiply_add(w, loops, loops.lanes, spread, (w.at(b_here, str(u * step)), w.at(c_here, str(u * step))))
    with w.loop(ends[1], FLOAT, start=ends[0]) as place:
        _multiply_add(w, loops, 1, number, (w.at(b, place), w.at(c, place)))


def _multiply_add(w: Writer, loops: Loops, lanes: int, factor: str, at: tuple[str, str]) -> None:
    v = _kind(lanes)
    x, old = (w.let(f"load {v}, ptr {place}, align 4") for place in at)
    if loops.fma:
        new = w.let(f"call {v} @llvm.fma.{_suffix(lanes)}({v} {factor}, {v} {x}, {v} {old})")
    else:
        new = w.let(f"fadd {v} {old}, {w.let(f'fmul {v} {factor}, {x}')}")
    w.do(f"store {v} {new}, ptr {at[1]}, align 4")


def _kind(lanes: int) -> str:
    return f"<{lanes} x float>" if lanes > 1 else "float"


def _suffix(lanes: int) -> str:
    return f"v{lanes}f32" if lanes > 1 else "f32"
