"""Packing: micro-panels of B and A, copied to where the micro-kernel reads them best, and a tile written to C. Pure."""

from typing import Any

from llvmlite import ir

from labkit.gemm.build import F32, FLOAT, I64, MATRIX, PTR, Builder, Matrix, Value, floats
from labkit.gemm.tile import Tile

# Rows of B that are asked for before they are copied: they lie a row of B apart, where no hardware prefetcher looks.
PREFETCH_ROWS = 16


def add_pack_b(module: Any, tile: Tile) -> Value:
    """`pack_b(k, columns, b, row, column, to)`: a micro-panel of B, its rows of NR floats side by side, 0 beyond.

    b is k x columns, `row` and `column` bytes apart; `to` has room for k x NR floats. There is at least one column.
    """
    w = Builder(module, "pack_b", [I64, I64, *MATRIX, PTR])
    k, columns, *b, to = w.function.args
    source, width = Matrix(*b), tile.nr * FLOAT
    whole_rows = w.and_(w.test(columns, "==", tile.nr), w.test(source.column, "==", FLOAT))
    ahead = w.mul(source.row, PREFETCH_ROWS)
    with w.if_then(whole_rows), w.loop(k) as p:
        here, there = w.offset(source.start, p, source.row), w.offset(to, p, width)
        w.prefetch(w.offset(here, ahead), width)
        for vector in range(tile.vectors):
            _copy(w, tile.lanes, *(w.offset(row, vector * tile.lanes * FLOAT) for row in (here, there)))
    with w.loop(w.choose(whole_rows, 0, columns)) as j:
        here, there = w.offset(source.start, j, source.column), w.offset(to, j, FLOAT)
        with w.loop(k) as p:
            _copy(w, 1, w.offset(here, p, source.row), w.offset(there, p, width))
    with w.loop(tile.nr, start=columns) as j:
        there = w.offset(to, j, FLOAT)
        with w.loop(k) as p:
            w.store(ir.Constant(F32, 0.0), w.offset(there, p, width), align=FLOAT)
    w.ret_void()
    return w.function


def add_pack_a(module: Any, tile: Tile) -> Value:
    """`pack_a(rows, k, a, row, column, to, to_row)`: rows of A one by one, the k of each side by side.

    a is rows x k, `row` and `column` bytes apart; `to` gets the rows `to_row` bytes apart. Nothing is interleaved: the
    micro-kernel reads A a number at a time.
    """
    w = Builder(module, "pack_a", [I64, I64, *MATRIX, PTR, I64])
    rows, k, *a, to, to_row = w.function.args
    _copy_matrix(w, rows, k, tile.lanes, Matrix(*a), Matrix(to, to_row, FLOAT), a[2])
    return w.function


def add_write_tile(module: Any, tile: Tile) -> Value:
    """`write_tile(rows, columns, from, c, row, column, add)`: the part of a padded tile that C has, at any strides.

    By the narrowest vectors there are. What is overwritten is not read.
    """
    w = Builder(module, "write_tile", [I64, I64, PTR, *MATRIX, I64])
    rows, columns, padded, *c, add = w.function.args
    adds = w.not_(w.test(add, "==", 0))
    _copy_matrix(w, rows, columns, tile.widths[0], Matrix(padded, tile.nr * FLOAT, FLOAT), Matrix(*c), c[2], adds)
    return w.function


def _copy_matrix(
    w: Builder, rows: Value, columns: Value, lanes: int, a: Matrix, c: Matrix, column: Value, adds: Value = None
) -> None:
    """rows x columns of a to c, or added to them: in vectors where `column` says side by side, and one by one."""
    vectors = w.choose(w.test(column, "==", FLOAT), w.and_(columns, -lanes), 0)
    with w.loop(rows) as i:
        here, there = w.offset(a.start, i, a.row), w.offset(c.start, i, c.row)
        with w.loop(vectors, lanes) as j:
            _copy(w, lanes, w.offset(here, j, FLOAT), w.offset(there, j, FLOAT), adds)
        with w.loop(columns, start=vectors) as j:
            _copy(w, 1, w.offset(here, j, a.column), w.offset(there, j, c.column), adds)
    w.ret_void()


def _copy(w: Builder, lanes: int, source: Value, target: Value, adds: Value = None) -> None:
    value = w.load(source, typ=floats(lanes), align=1)
    if adds is None:
        w.store(value, target, align=1)
        return
    with w.if_else(adds) as (then, otherwise):
        with then:
            w.store(w.fadd(w.load(target, typ=floats(lanes), align=1), value), target, align=1)
        with otherwise:
            w.store(value, target, align=1)
