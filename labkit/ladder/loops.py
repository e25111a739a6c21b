"""Three loops in the order i, k, j, generated: a number at a time or a vector, whole or in blocks. Pure."""

from llvmlite import ir

from labkit.gemm.build import F32, FLOAT, I64, PTR, Builder, Value, new_module

# Vectors of a trip of the inner loop: its own counting then costs little beside the arithmetic.
UNROLL = 4


def loops_ir(lanes: int = 1, fma: bool = False, kc: int = 0, nc: int = 0) -> str:
    """`kernel(m, n, k, a, b, c)`: c = a b of C-ordered matrices without gaps. c[i, :] += a[i, k] b[k, :] for each k.

    An instruction works on `lanes` numbers, and with `fma` multiplies and adds. Blocks have `kc` steps of k and `nc`
    columns; 0: all. No register holds anything but the number of a from one k to the next: c is read and written for
    each.
    """
    module, step = new_module(), FLOAT * lanes
    w = Builder(module, "kernel", [I64, I64, I64, PTR, PTR, PTR], linkage="")
    m, n, k, a, b, c = w.function.args
    with w.loop(w.mul(m, n, FLOAT), FLOAT) as place:
        w.store(ir.Constant(F32, 0.0), w.offset(c, place), align=FLOAT)
    columns, steps = nc or w.maximum(n, 1), kc or w.maximum(k, 1)
    row = w.mul(n, FLOAT)

    def multiply_add(factor: Value, *places: Value) -> None:
        """c += factor b, a number or a vector."""
        x, old = (w.load(place, typ=factor.type, align=FLOAT) for place in places)
        new = w.multiply_add(factor, x, old, fma, 1 if factor.type == F32 else lanes)
        w.store(new, places[1], align=FLOAT)

    with w.loop(n, columns) as j0, w.loop(k, steps) as k0:
        width = w.mul(w.minimum(columns, w.sub(n, j0)), FLOAT)  # bytes
        vectors = w.and_(width, -step * UNROLL)
        here = w.mul(j0, FLOAT)
        k1 = w.add(k0, w.minimum(steps, w.sub(k, k0)))
        with w.loop(m) as i:
            c_row, a_row = w.offset(w.offset(c, i, row), here), w.offset(a, w.mul(i, k), FLOAT)
            with w.loop(k1, start=k0) as p:
                b_row = w.offset(w.offset(b, p, row), here)
                number = w.load(w.offset(a_row, p, FLOAT), typ=F32, align=FLOAT)
                spread = w.splat(number, lanes)
                with w.loop(vectors, step * UNROLL) as place:
                    for u in range(UNROLL):
                        multiply_add(spread, *(w.offset(w.offset(x, place), u * step) for x in (b_row, c_row)))
                with w.loop(width, FLOAT, start=vectors) as place:
                    multiply_add(number, w.offset(b_row, place), w.offset(c_row, place))
    w.ret_void()
    return str(module)
