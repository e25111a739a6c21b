"""The micro-kernel, as LLVM IR: a tile of C held in registers while k runs. Pure.

LLVM reorders freely within a loop's body, and with 28 accumulators it then runs out of registers. So every sum passes
through an empty piece of inline assembly that LLVM may neither move nor look into: what is written here is what is
emitted, instruction by instruction, and nothing is left for the stack.
"""

from tile import Tile

FLOAT, LINE = 4, 64  # bytes
# Steps of k in one trip of the main loop: the loop's own instructions then cost nothing beside the multiply-adds.
UNROLL = 4
# Rows of A that share one pointer, at +0, +1 and +2 row strides: what the addresses of x86 can scale for free.
ROWS_A_POINTER = 3
# A prefetch's arguments: for reading or for writing, into the nearest cache, data.
TO_READ, TO_WRITE = "i32 0, i32 3, i32 1", "i32 1, i32 3, i32 1"
PREFETCH = "declare void @llvm.prefetch.p0(ptr, i32, i32, i32)"


def lines_of(size: int) -> list[int]:
    """Offsets into `size` bytes that begin anywhere in a line: one in each line they touch."""
    return [*range(0, size, LINE), size - 1]


def kernel_name(rows: int, columns: int) -> str:
    """The function for a tile of so many rows and columns."""
    return f"tile_{rows}x{columns}"


def kernel_ir(tile: Tile, rows: int, columns: int) -> str:
    """`tile_RxC(k, a, a_row, b, b_row, c, c_row, add, next, next_row)`: c = a b, or c += a b where `add` is not 0.

    a is rows x k, its k side by side, its rows `a_row` bytes apart; b is k x columns, its columns side by side, its
    rows `b_row` bytes apart; c is rows x columns, its columns side by side, its rows `c_row` bytes apart. `columns` is
    one of `tile.widths`, k at least 1. No address need be aligned, and nothing outside the three is touched. An
    element's products are added in order of k. With each step of k some bytes at `next + k next_row` are asked for,
    which another call will need; addresses that do not exist do no harm.
    """
    return _Kernel(tile, rows, columns).text()


class _Kernel:
    """One function. Names end in what they belong to: `.i` a row, `.j` a vector of it, `.u` a step within a trip."""

    def __init__(self, tile: Tile, rows: int, columns: int) -> None:
        self.tile, self.rows, self.columns = tile, rows, columns
        self.lanes = min(columns, tile.lanes)
        self.v, self.suffix = f"<{self.lanes} x float>", f"v{self.lanes}f32"
        self.pointers = range(0, rows, ROWS_A_POINTER)
        self.vectors = range(columns // self.lanes)
        self.cells = [(i, j) for i in range(rows) for j in self.vectors]

    def text(self) -> str:
        lines = [
            f"define internal void @{kernel_name(self.rows, self.columns)}(i64 %k, ptr %a, i64 %a_row, ptr %b, "
            "i64 %b_row, ptr %c, i64 %c_row, i64 %add, ptr %next, i64 %next_row) noinline nounwind {",
            "entry:",
            "  %a_row.2 = shl i64 %a_row, 1",
            *self._addresses_of_c(),
            *(line for i in self.pointers for line in _address(f"a.{i}", "a", "a_row", i)),
            f"  %whole = and i64 %k, {-UNROLL}",
            "  %any = icmp ne i64 %whole, 0",
            "  br i1 %any, label %main, label %middle",
            *self._loop("main", "entry", UNROLL, "whole"),
            "middle:",
            "  %middle.i = phi i64 [ 0, %entry ], [ %main.i.next, %main ]",
            "  %middle.b = phi ptr [ %b, %entry ], [ %main.b.next, %main ]",
        ]
        lines += [f"  %middle.a.{i} = phi ptr [ %a.{i}, %entry ], [ %main.a.{i}.next, %main ]" for i in self.pointers]
        for i, j in self.cells:
            last = f"%main.sum.{i}.{j}.{UNROLL}"
            lines.append(f"  %middle.sum.{i}.{j} = phi {self.v} [ zeroinitializer, %entry ], [ {last}, %main ]")
        lines += [
            "  %some = icmp ult i64 %middle.i, %k",
            "  br i1 %some, label %rest, label %done",
            *self._loop("rest", "middle", 1, "k"),
            "done:",
        ]
        for i, j in self.cells:
            lines.append(
                f"  %done.sum.{i}.{j} = phi {self.v} [ %middle.sum.{i}.{j}, %middle ], [ %rest.sum.{i}.{j}.1, %rest ]"
            )
        return "\n".join([*lines, *self._into_c(), "  ret void", "}"])

    def _addresses_of_c(self) -> list[str]:
        """Where its rows begin; and the lines of the tile are asked for, to be there when the sums are."""
        lines = []
        for i in range(self.rows):
            lines += _address(f"c.{i}", "c", "c_row", i)
            for at in lines_of(self.columns * FLOAT):
                lines += _prefetch(f"c.{i}.line.{at}", f"%c.{i}", at, TO_WRITE)
        return lines

    def _loop(self, name: str, before: str, unroll: int, bound: str) -> list[str]:
        """The loop `name` over k up to `%bound`, entered from the block `before`: phis, steps, and the branch back."""
        first = {"entry": ("0", "%b"), "middle": ("%middle.i", "%middle.b")}[before]
        of_a = "%a" if before == "entry" else "%middle.a"
        lines = [
            f"{name}:",
            f"  %{name}.i = phi i64 [ {first[0]}, %{before} ], [ %{name}.i.next, %{name} ]",
            f"  %{name}.b.0 = phi ptr [ {first[1]}, %{before} ], [ %{name}.b.next, %{name} ]",
        ]
        if name == "main":
            lines.append("  %main.next.0 = phi ptr [ %next, %entry ], [ %main.next.next, %main ]")
        pointers = [(i, f"{of_a}.{i}") for i in self.pointers]
        lines += [f"  %{name}.p.{i} = phi ptr [ {p}, %{before} ], [ %{name}.a.{i}.next, %{name} ]" for i, p in pointers]
        for i, j in self.cells:
            start = "zeroinitializer" if before == "entry" else f"%middle.sum.{i}.{j}"
            last = f"%{name}.sum.{i}.{j}.{unroll}"
            lines.append(f"  %{name}.sum.{i}.{j}.0 = phi {self.v} [ {start}, %{before} ], [ {last}, %{name} ]")
        # Opaque too: LLVM would otherwise compute all rows from one pointer, in a chain of additions.
        lines += [f'  %{name}.a.{i} = call ptr asm sideeffect "", "=r,0"(ptr %{name}.p.{i})' for i in self.pointers]
        for i in range(self.rows):
            over = ("0", "%a_row", "%a_row.2")[i % ROWS_A_POINTER]
            lines.append(f"  %{name}.row.{i} = getelementptr i8, ptr %{name}.a.{i - i % ROWS_A_POINTER}, i64 {over}")
        for u in range(unroll):
            lines += self._step(name, u, "next" if u + 1 == unroll else str(u + 1))
        for i in self.pointers:
            lines.append(f"  %{name}.a.{i}.next = getelementptr i8, ptr %{name}.a.{i}, i64 {unroll * FLOAT}")
        return [
            *lines,
            f"  %{name}.i.next = add i64 %{name}.i, {unroll}",
            f"  %{name}.more = icmp ult i64 %{name}.i.next, %{bound}",
            f"  br i1 %{name}.more, label %{name}, label %{'middle' if name == 'main' else 'done'}",
        ]

    def _step(self, name: str, u: int, following: str) -> list[str]:
        """One k: the vectors of b, then row by row a number of a, spread over a vector, and its multiply-adds."""
        v, lines = self.v, []
        for j in self.vectors:
            lines += self._load(f"{name}.bv.{j}.{u}", f"%{name}.b.{u}", j)
        for i in range(self.rows):
            number = f"{name}.an.{i}.{u}"
            lines += [
                f"  %{number}.p = getelementptr i8, ptr %{name}.row.{i}, i64 {u * FLOAT}",
                f"  %{number} = load float, ptr %{number}.p, align 1",
                f"  %{number}.1 = insertelement {v} poison, float %{number}, i64 0",
                f"  %{number}.v = shufflevector {v} %{number}.1, {v} poison, <{self.lanes} x i32> zeroinitializer",
            ]
            for j in self.vectors:
                old, new, held = f"%{name}.sum.{i}.{j}.{u}", f"%{name}.new.{i}.{j}.{u}", f"%{name}.sum.{i}.{j}.{u + 1}"
                # What is still wanted after the sum cannot be overwritten by it: the old sum is.
                if self.tile.fma:
                    kept = f"%{number}.v"
                    factors = f"{v} {kept}, {v} %{name}.bv.{j}.{u}"
                    lines.append(f"  {new} = call {v} @llvm.fma.{self.suffix}({factors}, {v} {old})")
                else:
                    kept = f"{new}.product"
                    lines.append(f"  {kept} = fmul {v} %{number}.v, %{name}.bv.{j}.{u}")
                    lines.append(f"  {new} = fadd {v} {old}, {kept}")
                letter = self.tile.register_class
                constraints = f"={letter},0,{letter},~{{memory}}"
                lines.append(f'  {held} = call {v} asm sideeffect "", "{constraints}"({v} {new}, {v} {kept})')
        lines.append(f"  %{name}.b.{following} = getelementptr i8, ptr %{name}.b.{u}, i64 %b_row")
        if name == "main":
            for at in lines_of(self.tile.columns * FLOAT):
                lines += _prefetch(f"main.ask.{at}.{u}", f"%main.next.{u}", at, TO_READ)
            lines.append(f"  %main.next.{following} = getelementptr i8, ptr %main.next.{u}, i64 %next_row")
        return lines

    def _into_c(self) -> list[str]:
        """The sums are stored, or first added to what is there."""
        lines = ["  %adds = icmp ne i64 %add, 0", "  br i1 %adds, label %plus, label %store", "plus:"]
        for i, j in self.cells:
            lines += self._load(f"plus.old.{i}.{j}", f"%c.{i}", j)
            lines.append(f"  %plus.sum.{i}.{j} = fadd {self.v} %plus.old.{i}.{j}, %done.sum.{i}.{j}")
        lines += ["  br label %store", "store:"]
        for i, j in self.cells:
            lines.append(f"  %out.{i}.{j} = phi {self.v} [ %done.sum.{i}.{j}, %done ], [ %plus.sum.{i}.{j}, %plus ]")
        for i, j in self.cells:
            lines += [
                f"  %out.{i}.{j}.p = getelementptr i8, ptr %c.{i}, i64 {j * self.lanes * FLOAT}",
                f"  store {self.v} %out.{i}.{j}, ptr %out.{i}.{j}.p, align 1",
            ]
        return lines

    def _load(self, name: str, row: str, j: int) -> list[str]:
        """The vector j of a row."""
        return [
            f"  %{name}.p = getelementptr i8, ptr {row}, i64 {j * self.lanes * FLOAT}",
            f"  %{name} = load {self.v}, ptr %{name}.p, align 1",
        ]


def _address(name: str, start: str, stride: str, times: int) -> list[str]:
    return [
        f"  %{name}.at = mul i64 %{stride}, {times}",
        f"  %{name} = getelementptr i8, ptr %{start}, i64 %{name}.at",
    ]


def _prefetch(name: str, pointer: str, offset: int, how: str) -> list[str]:
    return [
        f"  %{name} = getelementptr i8, ptr {pointer}, i64 {offset}",
        f"  call void @llvm.prefetch.p0(ptr %{name}, {how})",
    ]
