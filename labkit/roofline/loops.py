"""The loops, as LLVM IR: chains of arithmetic that never leave the registers, and streams through memory. Pure."""

from collections.abc import Iterator
from contextlib import contextmanager

from llvmlite import ir

from labkit.gemm.build import F32, FLOAT, I32, I64, PTR, Builder, Value, declare_fma, floats, i64, new_module
from labkit.roofline.model import LOADS_STORES, Pattern

UNROLL = 4
STREAM_UNROLL = 16


@contextmanager
def _loop(b: Builder, stop: Value, step: int, *starts: Value) -> Iterator[list[Value]]:
    """A loop of one trip at least. Yields its counter and what trips hand on, which the body replaces."""
    starts = (i64(0), *starts)
    before, body, done = b.block, b.append_basic_block("loop"), b.append_basic_block("done")
    b.branch(body)
    b.position_at_end(body)
    phis = [b.phi(start.type) for start in starts]
    values = list(phis)
    yield values
    values[0] = b.add(phis[0], i64(step))
    for phi, start, value in zip(phis, starts, values, strict=True):
        phi.add_incoming(start, before)
        phi.add_incoming(value, b.block)
    b.cbranch(b.icmp_unsigned("<", values[0], stop), body, done)
    b.position_at_end(done)


def peak_ir(lanes: int, chains: int, fma: bool, in_addend: bool = False, adds: int = 0, ticks: int = 0) -> str:
    """`kernel(trips, data)`: independent chains a = a * m + c, all operands loaded and all results stored.

    With `in_addend` the chain runs through the addend, a = m * c + a: an instruction set whose multiply-add
    overwrites its addend (NEON's fmla) would need a copy for each of the other kind. `adds` more chains only
    add, a = a + c. `ticks` dependent integer additions a trip, a cycle each on every core there is, run beside them:
    a clock under this load, or alone where there are no chains.
    """
    module, count = new_module(), chains + adds
    multiply_add = declare_fma(module, lanes)
    b = Builder(module, "kernel", [I64, PTR], linkage="")
    trips, data = b.function.args
    places = [b.offset(data, k * lanes * FLOAT) for k in range(2 + count + bool(ticks))]
    m, c, *starts = (b.load(place, typ=floats(lanes), align=FLOAT) for place in places[: 2 + count])
    chain = [b.load(places[-1], typ=I64, align=FLOAT)] * 2 if ticks else []
    # The chains that only add stand evenly among the others, and the ticks among all steps.
    order = sorted(range(count), key=lambda a: (a + 0.5) / chains if a < chains else (a - chains + 0.5) / adds)
    steps: list[int | None] = [*UNROLL * order] or [None]
    with _loop(b, trips, 1, *starts, *chain) as values:
        for done, a in enumerate(steps):
            if a is not None:
                old, name = values[1 + a], f"a{a}.{done // count + 1}"
                if a < chains and fma:
                    values[1 + a] = b.call(multiply_add, [m, c, old] if in_addend else [old, m, c], name)
                else:
                    values[1 + a] = b.fadd(b.fmul(old, m) if a < chains else old, c, name)
            for _ in range(ticks * (done + 1) // len(steps) - ticks * done // len(steps)):
                last, before = values[1 + count :]
                # The sum of the two before it: a repeated x + s would be folded to x + 2 s.
                values[1 + count :] = b.add(last, before), last
    for value, place in zip(values[1:], places[2:], strict=False):
        b.store(value, place, align=FLOAT)
    b.ret_void()
    return str(module)


def stream_ir(pattern: Pattern, lanes: int, fma: bool) -> str:
    """`kernel(passes, elements, array, ...)`: load reads a; copy is b = a; triad is c = a * s + b.

    `elements` is a multiple of lanes x STREAM_UNROLL. The s of triad is the first element of a. `copy_streaming`
    stores past the caches, so that a line need not be read before it is written.
    """
    module = new_module()
    multiply_add = declare_fma(module, lanes)
    b = Builder(module, "kernel", [I64, I64] + [PTR] * sum(LOADS_STORES[pattern]), linkage="")
    passes, elements, *arrays = b.function.args
    factor = b.splat(b.load(arrays[0], typ=F32, align=FLOAT), lanes)
    # Two registers a streaming store: NEON's takes a pair. Others split it.
    streaming = pattern == "copy_streaming"
    width = 2 * lanes if streaming else lanes
    align = lanes * FLOAT
    with _loop(b, passes, 1), _loop(b, elements, lanes * STREAM_UNROLL) as trip:
        for u in range(0, lanes * STREAM_UNROLL, width):
            places = [b.offset(array, b.mul(b.add(trip[0], i64(u)), i64(FLOAT))) for array in arrays]
            value = b.load(places[0], typ=floats(width), align=align)
            if pattern == "triad":
                addend = b.load(places[1], typ=floats(width), align=align)
                value = b.call(multiply_add, [value, factor, addend]) if fma else b.fadd(b.fmul(value, factor), addend)
            if pattern != "load":
                store = b.store(value, places[-1], align=align)
                if streaming:
                    store.set_metadata("nontemporal", module.add_metadata([ir.Constant(I32, 1)]))
    b.ret_void()
    # Volatile: it must be done though nothing uses it. Any use would take a unit's time away from loading.
    return str(module).replace("= load <", "= load volatile <") if pattern == "load" else str(module)
