"""The micro-kernel: a tile of C held in registers while k runs. Pure.

LLVM reorders freely within a loop's body, and with 28 accumulators it then runs out of registers. So every sum passes
through an empty piece of inline assembly that LLVM may neither move nor look into: the code is emitted as it is
written here, instruction by instruction, and no sum goes to the stack.
"""

from typing import Any

from llvmlite import ir

from labkit.gemm.build import F32, FLOAT, I64, PTR, Builder, Value, declare_fma, floats, i64
from labkit.gemm.tile import Tile

# Steps of k in one trip of the main loop: the loop's own instructions then cost little beside the multiply-adds.
UNROLL = 4
# Rows of A that share one pointer, at +0, +1 and +2 row strides: what the addresses of x86 can scale for free.
ROWS_A_POINTER = 3


class Kernel:
    """`tile_RxC(k, a, a_row, b, b_row, c, c_row, add, next, next_row)`: c = a b, or c += a b where `add` is not 0.

    a is rows x k, its k side by side, its rows `a_row` bytes apart; b is k x columns, its columns side by side, its
    rows `b_row` bytes apart; c is rows x columns, its columns side by side, its rows `c_row` bytes apart. `columns` is
    one of `tile.widths`, k at least 1. No address need be aligned, and nothing outside the three is touched. An
    element's products are added in order of k. Each step of k prefetches some bytes at `next + k next_row`, which a
    later call will need; addresses that do not exist do no harm.
    """

    # What a loop carries is a list: the number of k, a row of b, pointers into a, sums; in the main loop also `next`.

    def __init__(self, module: Any, tile: Tile, rows: int, columns: int, linkage: str = "internal") -> None:
        arguments = [I64, PTR, I64, PTR, I64, PTR, I64, I64, PTR, I64]
        self.w = w = Builder(module, f"tile_{rows}x{columns}", arguments, linkage=linkage)
        w.function.attributes.add("noinline")
        k, a, a_row, b, self.b_row, c, c_row, add, following, self.next_row = w.function.args
        self.tile, self.rows, self.lanes = tile, rows, min(columns, tile.lanes)
        self.v = floats(self.lanes)
        self.cells = [(i, j) for i in range(rows) for j in range(columns // self.lanes)]
        self.times_a_row = (i64(0), a_row, w.shl(a_row, i64(1)))
        # The lines of C are prefetched: the sums come later.
        rows_of_c = []
        for i in range(rows):
            rows_of_c.append(w.offset(c, c_row, i))
            w.prefetch(rows_of_c[i], columns * FLOAT, to_write=True)
        pointers = [w.offset(a, a_row, i) for i in range(0, rows, ROWS_A_POINTER)]
        whole = w.and_(k, -UNROLL)
        entry, main, middle, rest, done = (w.block, *map(w.append_basic_block, ("main", "middle", "rest", "done")))
        w.cbranch(w.test(whole, "!=", 0), main, middle)
        first = [i64(0), b, *pointers, *[ir.Constant(self.v, None)] * len(self.cells)]
        unrolled = self._loop(main, {entry: [*first, following]}, UNROLL, whole, middle)
        left = self._merge(middle, {entry: first, main: unrolled[:-1]})
        w.cbranch(w.test(left[0], "<", k), rest, done)
        last = self._loop(rest, {middle: left}, 1, k, done)
        sums = self._merge(done, {middle: left[-len(self.cells) :], rest: last[-len(self.cells) :]})
        plus, store = map(w.append_basic_block, ("plus", "store"))
        w.cbranch(w.test(add, "!=", 0), plus, store)
        w.position_at_end(plus)
        added = [w.fadd(self._load(rows_of_c[i], j), x) for (i, j), x in zip(self.cells, sums, strict=True)]
        w.branch(store)
        for (i, j), x in zip(self.cells, self._merge(store, {done: sums, plus: added}), strict=True):
            w.store(x, w.offset(rows_of_c[i], j * self.lanes * FLOAT), align=1)
        w.ret_void()

    def _merge(self, block: Any, incoming: dict[Any, list[Value]]) -> list[Value]:
        """Begin a block with the values that come from one of these blocks."""
        self.w.position_at_end(block)
        merged = [self.w.phi(value.type) for value in next(iter(incoming.values()))]
        for source, values in incoming.items():
            for phi, value in zip(merged, values, strict=True):
                phi.add_incoming(value, source)
        return merged

    def _loop(self, block: Any, start: dict[Any, list[Value]], unroll: int, bound: Value, then: Any) -> list[Value]:
        """The loop over k up to `bound`: what it carries when it ends."""
        w, carried = self.w, self._merge(block, start)
        i, b, *others = carried
        count = -(-self.rows // ROWS_A_POINTER)
        sums, following = others[count : count + len(self.cells)], others[count + len(self.cells) :]
        # Opaque too: LLVM would otherwise compute all rows from one pointer, in a chain of additions.
        opaque = ir.FunctionType(PTR, [PTR])
        pointers = [w.asm(opaque, "", "=r,0", [pointer], side_effect=True) for pointer in others[:count]]
        places = (divmod(i, ROWS_A_POINTER) for i in range(self.rows))
        rows = [w.offset(pointers[p], self.times_a_row[over]) for p, over in places]
        for u in range(unroll):
            sums = self._step(rows, b, sums, u)
            b = w.offset(b, self.b_row)
            for n, address in enumerate(following):
                w.prefetch(address, self.tile.nr * FLOAT)
                following[n] = w.offset(address, self.next_row)
        pointers = [w.offset(pointer, unroll * FLOAT) for pointer in pointers]
        carries = [w.add(i, unroll), b, *pointers, *sums, *following]
        for phi, value in zip(carried, carries, strict=True):
            phi.add_incoming(value, block)
        w.cbranch(w.test(carries[0], "<", bound), block, then)
        return carries

    def _step(self, rows: list[Value], b: Value, sums: list[Value], u: int) -> list[Value]:
        """One k: the vectors of b, then row by row a number of a, spread over a vector, and its multiply-adds."""
        w, letter, new = self.w, self.tile.register_class, []
        vectors = [self._load(b, j) for i, j in self.cells if i == 0]
        opaque = ir.FunctionType(self.v, [self.v, self.v])
        for (i, j), old in zip(self.cells, sums, strict=True):
            if j == 0:
                number = w.load(w.offset(rows[i], u * FLOAT), typ=F32, align=1)
                spread = w.splat(number, self.lanes)
            # What is still wanted after the sum cannot be overwritten by it: the old sum is.
            if self.tile.fma:
                kept, value = spread, w.call(declare_fma(w.module, self.lanes), [spread, vectors[j], old])
            else:
                kept = w.fmul(spread, vectors[j])
                value = w.fadd(old, kept)
            new.append(w.asm(opaque, "", f"={letter},0,{letter},~{{memory}}", [value, kept], side_effect=True))
        return new

    def _load(self, row: Value, j: int) -> Value:
        """The vector j of a row."""
        return self.w.load(self.w.offset(row, j * self.lanes * FLOAT), typ=self.v, align=1)
