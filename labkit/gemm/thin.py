"""Thin products, which memory bounds and not arithmetic: few columns of C, or one row. Pure.

A tile needs at least half a vector of columns; with fewer most of its lanes compute nothing. There the lanes run along
k instead: a vector of A serves every column, a vector of B every row, and each sum is reduced once at the end.

One row uses each number of B once. A tile would take a short piece of every row of B, each from another page. So rows
of B are read from end to end, some at a time, and added to C, which stays in the first level.
"""

from collections.abc import Callable
from itertools import product
from typing import Any

from llvmlite import ir

from labkit.gemm.build import F32, FLOAT, I64, MATRIX, PTR, Builder, Value, floats
from labkit.gemm.tile import Tile

# Rows at once: so many independent sums cover the latency of a multiply-add, and so many streams are prefetched.
ROWS = 4
# Columns at once, by the vector registers that the tile takes: ROWS x columns sums, and what is loaded.
COLUMNS, COLUMNS_FEW_REGISTERS, FEW_REGISTERS = 4, 2, 16
# One row of A: so many rows of B at once, and so many columns of C, half of a small first level.
B_ROWS, C_COLUMNS = 8, 4096


def columns_at_once(tile: Tile) -> int:
    return COLUMNS if tile.registers > FEW_REGISTERS else COLUMNS_FEW_REGISTERS


def most_columns(tile: Tile) -> int:
    """The last columns of C come from dot products where there are no more than this: fewer than a kernel's width."""
    return tile.lanes // 2


def add_dots(module: Any, tile: Tile, rows: int, columns: int) -> Value:
    """`dots_RxC(k, a, a_row, b, b_column, c, c_row, c_column, add)`: c = a b, or c += a b where `add` is not 0.

    a is rows x k, its k side by side; b is k x columns, the k of a column side by side; c has any strides.
    """
    w = Builder(module, f"dots_{rows}x{columns}", [I64, PTR, I64, PTR, I64, *MATRIX, I64])
    k, a, a_row, b, b_column, c, c_row, c_column, add = w.function.args
    in_rows = [w.offset(a, i, a_row) for i in range(rows)]
    in_columns = [w.offset(b, j, b_column) for j in range(columns)]

    def step(lanes: int) -> Callable[[Value, list[Value]], list[Value]]:
        def multiply(p: Value, sums: list[Value]) -> list[Value]:
            x, y = (
                [w.load(w.offset(line, p, FLOAT), typ=floats(lanes), align=1) for line in lines]
                for lines in (in_rows, in_columns)
            )
            pairs = zip(product(x, y), sums, strict=True)
            # Not for single numbers: QEMU 7 reads 16 bytes where a multiply-add has one of 4 in memory.
            fma = tile.fma and lanes > 1
            return [w.multiply_add(u, v, old, fma, lanes) for (u, v), old in pairs]

        return multiply

    vectors = w.and_(k, -tile.lanes)
    zero = ir.Constant(floats(tile.lanes), None)
    sums = w.carry(vectors, tile.lanes, 0, [zero] * (rows * columns), step(tile.lanes))
    sums = w.carry(k, 1, vectors, [w.sum_of(s, tile.lanes) for s in sums], step(1))
    adds = w.not_(w.test(add, "==", 0))
    for number, value in enumerate(sums):
        i, j = divmod(number, columns)
        to = w.offset(w.offset(c, i, c_row), j, c_column)
        # What is overwritten is not read: it may be anything.
        with w.if_else(adds) as (then, otherwise):
            with then:
                w.store(w.fadd(w.load(to, typ=F32, align=1), value), to, align=1)
            with otherwise:
                w.store(value, to, align=1)
    w.ret_void()
    return w.function


def add_row(module: Any, tile: Tile) -> Value:
    """`row(n, k, a, a_column, b, b_row, c, add)`: c = a b, or c += a b where `add` is not 0, of one row.

    b is k x n, its columns side by side, as those of c; n is a multiple of the lanes. Products are added in order of k.
    """
    w = Builder(module, "row", [I64, I64, PTR, I64, PTR, I64, PTR, I64])
    n, k, a, a_column, b, b_row, c, add = w.function.args
    vector = floats(tile.lanes)
    with w.loop(w.choose(w.test(add, "==", 0), n, 0), tile.lanes) as j:
        w.store(ir.Constant(vector, None), w.offset(c, j, FLOAT), align=1)
    whole = w.and_(k, -B_ROWS)
    with w.loop(n, C_COLUMNS) as j0:
        end = w.minimum(n, w.add(j0, C_COLUMNS))
        for rows, start, stop in ((B_ROWS, 0, whole), (1, whole, k)):
            with w.loop(stop, rows, start) as p:
                lines = [w.offset(b, w.add(p, r), b_row) for r in range(rows)]
                numbers = [w.load(w.offset(a, w.add(p, r), a_column), typ=F32, align=1) for r in range(rows)]
                spread = [w.splat(number, tile.lanes) for number in numbers]
                with w.loop(end, tile.lanes, j0) as j:
                    to = w.offset(c, j, FLOAT)
                    value = w.load(to, typ=vector, align=1)
                    for x, line in zip(spread, lines, strict=True):
                        y = w.load(w.offset(line, j, FLOAT), typ=vector, align=1)
                        value = w.multiply_add(x, y, value, tile.fma, tile.lanes)
                    w.store(value, to, align=1)
    w.ret_void()
    return w.function
