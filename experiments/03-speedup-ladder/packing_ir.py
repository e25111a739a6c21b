"""Packing, as LLVM IR: a sliver of B and a panel of A, copied to where the micro-kernel reads them best. Pure."""

from kernel_ir import FLOAT, TO_READ, lines_of
from tile import Tile
from writer import Writer

# Rows of B that are asked for before they are copied: they lie a row of B apart, where no hardware prefetcher looks.
PREFETCH_ROWS = 16


def sliver_ir(tile: Tile) -> str:
    """`pack_sliver(k, columns, b, row, column, to)`: `columns` of B beside each other, rows of NR floats, 0 beyond.

    b is k x columns, `row` and `column` bytes apart; `to` has room for k x NR floats. Columns are at least 1.
    """
    w = Writer("internal void @pack_sliver(i64 %k, i64 %columns, ptr %b, i64 %row, i64 %column, ptr %to) nounwind")
    v, width = f"<{tile.lanes} x float>", tile.columns * FLOAT
    side_by_side = w.both(w.test("%columns", "eq", str(tile.columns)), w.test("%column", "eq", str(FLOAT)))
    ahead = w.mul("%row", str(PREFETCH_ROWS))
    with w.when(side_by_side), w.loop("%k") as p:
        source, target = w.at("%b", w.mul(p, "%row")), w.at("%to", w.mul(p, str(width)))
        for at in lines_of(width):
            w.do(f"call void @llvm.prefetch.p0(ptr {w.at(w.at(source, ahead), str(at))}, {TO_READ})")
        for vector in range(tile.vectors):
            place = str(vector * tile.lanes * FLOAT)
            value = w.let(f"load {v}, ptr {w.at(source, place)}, align 1")
            w.do(f"store {v} {value}, ptr {w.at(target, place)}, align 1")
    one_by_one = w.select(side_by_side, "0", "%columns")
    with w.loop(one_by_one) as j:
        source, target = w.at("%b", w.mul(j, "%column")), w.at("%to", w.mul(j, str(FLOAT)))
        with w.loop("%k") as p:
            value = w.let(f"load float, ptr {w.at(source, w.mul(p, '%row'))}, align 1")
            w.do(f"store float {value}, ptr {w.at(target, w.mul(p, str(width)))}, align 4")
    with w.loop(str(tile.columns), start="%columns") as j:
        target = w.at("%to", w.mul(j, str(FLOAT)))
        with w.loop("%k") as p:
            w.do(f"store float 0.0, ptr {w.at(target, w.mul(p, str(width)))}, align 4")
    return w.text()


def panel_ir(tile: Tile) -> str:
    """`pack_panel(rows, k, a, row, column, to, to_row)`: rows of A one by one, each with its k side by side.

    a is rows x k, `row` and `column` bytes apart; `to` gets the rows `to_row` bytes apart. Nothing is interleaved: the
    micro-kernel reads A a number at a time.
    """
    w = Writer(
        "internal void @pack_panel(i64 %rows, i64 %k, ptr %a, i64 %row, i64 %column, ptr %to, i64 %to_row) nounwind"
    )
    v = f"<{tile.lanes} x float>"
    whole = w.let(f"and i64 %k, {-tile.lanes}")
    vectors = w.select(w.test("%column", "eq", str(FLOAT)), whole, "0")
    with w.loop("%rows") as i:
        source, target = w.at("%a", w.mul(i, "%row")), w.at("%to", w.mul(i, "%to_row"))
        with w.loop(vectors, tile.lanes) as p:
            place = w.mul(p, str(FLOAT))
            value = w.let(f"load {v}, ptr {w.at(source, place)}, align 1")
            w.do(f"store {v} {value}, ptr {w.at(target, place)}, align 1")
        with w.loop("%k", start=vectors) as p:
            value = w.let(f"load float, ptr {w.at(source, w.mul(p, '%column'))}, align 1")
            w.do(f"store float {value}, ptr {w.at(target, w.mul(p, str(FLOAT)))}, align 4")
    return w.text()


def scatter_ir(tile: Tile) -> str:
    """`scatter(rows, columns, from, c, row, column, add)`: the part of a padded tile that C has, at any strides.

    By the narrowest vectors there are, where the columns of C lie side by side, and number by number behind them.
    """
    w = Writer(
        "internal void @scatter(i64 %rows, i64 %columns, ptr %from, ptr %c, i64 %row, i64 %column, i64 %add) nounwind"
    )
    adds = w.test("%add", "ne", "0")
    narrowest = tile.widths[0]
    whole = w.let(f"and i64 %columns, {-narrowest}")
    vectors = w.select(w.test("%column", "eq", str(FLOAT)), whole, "0")
    with w.loop("%rows") as i:
        source, target = w.at("%from", w.mul(i, str(tile.columns * FLOAT))), w.at("%c", w.mul(i, "%row"))
        with w.loop(vectors, narrowest) as j:
            at = w.mul(j, str(FLOAT))
            _move(w, f"<{narrowest} x float>", w.at(source, at), w.at(target, at), adds)
        with w.loop("%columns", start=vectors) as j:
            _move(w, "float", w.at(source, w.mul(j, str(FLOAT))), w.at(target, w.mul(j, "%column")), adds)
    return w.text()


def _move(w: Writer, kind: str, source: str, target: str, adds: str) -> None:
    """What is at `source` goes to `target`, or is added to what is there. What is overwritten is not read."""
    value = w.let(f"load {kind}, ptr {source}, align 4")
    with w.when(adds):
        old = w.let(f"load {kind}, ptr {target}, align 1")
        w.do(f"store {kind} {w.let(f'fadd {kind} {old}, {value}')}, ptr {target}, align 1")
    with w.when(w.no(adds)):
        w.do(f"store {kind} {value}, ptr {target}, align 1")
