"""What llvmlite's IRBuilder lacks: plain numbers as constants, counted loops, offsets in bytes, minimum and maximum."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial, reduce
from typing import Any, NamedTuple

from llvmlite import ir

Value = Any  # an instruction, argument or constant of llvmlite, which has no type annotations
Type = Any

VOID, I8, I16, I32, I64 = ir.VoidType(), *(ir.IntType(bits) for bits in (8, 16, 32, 64))
PTR, F32 = ir.PointerType(), ir.FloatType()
FLOAT, LINE = 4, 64  # bytes
MATRIX = [PTR, I64, I64]  # the arguments that make a Matrix


class Matrix(NamedTuple):
    """A matrix in memory: the address of its first element, the bytes from row to row and from column to column."""

    start: Value
    row: Value
    column: Value
    rows: Value = None  # how many, where that is known
    columns: Value = None


def new_module() -> Any:
    """An empty module, for any target."""
    module = ir.Module()
    module.triple = ""
    return module


def i64(number: Value | int) -> Value:
    """The number as a value; a value as it is."""
    return ir.Constant(I64, number) if isinstance(number, int) else number


def floats(lanes: int) -> Type:
    """The type of a vector of fp32, or of one number."""
    return ir.VectorType(F32, lanes) if lanes > 1 else F32


def declare(module: Any, name: str, arguments: Sequence[Type], result: Type = VOID) -> Value:
    """A function that is defined elsewhere; declared once in a module."""
    return module.globals.get(name) or ir.Function(module, ir.FunctionType(result, arguments), name)


def declare_fma(module: Any, lanes: int) -> Value:
    """LLVM's multiply-add of vectors."""
    name = f"llvm.fma.v{lanes}f32" if lanes > 1 else "llvm.fma.f32"
    return declare(module, name, [floats(lanes)] * 3, floats(lanes))


def _of_several(operation: Any) -> Any:
    """An operation of IRBuilder on several values one after the other."""
    return lambda w, *values: reduce(partial(operation, w), map(i64, values))


class Builder(ir.IRBuilder):  # type: ignore[misc]  # llvmlite has no annotations
    """The body of a new function. An int in place of a value is a constant of 64 bits."""

    def __init__(
        self, module: Any, name: str, arguments: Sequence[Type], result: Type = VOID, linkage: str = "internal"
    ) -> None:
        function = ir.Function(module, ir.FunctionType(result, arguments), name)
        function.linkage = linkage
        function.attributes.add("nounwind")
        super().__init__(function.append_basic_block("entry"))

    add, sub, mul, udiv = map(_of_several, (ir.IRBuilder.add, ir.IRBuilder.sub, ir.IRBuilder.mul, ir.IRBuilder.udiv))
    and_, or_ = map(_of_several, (ir.IRBuilder.and_, ir.IRBuilder.or_))

    def test(self, a: Value, sign: str, b: Value | int) -> Value:
        """Compare unsigned integers; an int is a constant of the other's width."""
        return self.icmp_unsigned(sign, a, ir.Constant(a.type, b) if isinstance(b, int) else b)

    def choose(self, condition: Value, yes: Value | int, no: Value | int) -> Value:
        return self.select(condition, i64(yes), i64(no))

    def minimum(self, a: Value | int, b: Value) -> Value:
        return self.choose(self.test(i64(a), "<", b), a, b)

    def maximum(self, a: Value, b: Value | int) -> Value:
        return self.choose(self.test(a, "<", b), b, a)

    def ceil_div(self, a: Value, by: Value | int) -> Value:
        return self.udiv(self.sub(self.add(a, by), 1), by)

    def offset(self, pointer: Value, count: Value | int, stride: Value | int | None = None) -> Value:
        """The address so many bytes, or strides in bytes, on."""
        count = count if stride is None else self.mul(count, stride)
        return self.gep(pointer, [i64(count)], source_etype=I8)

    def splat(self, number: Value, lanes: int) -> Value:
        """A vector whose elements are all this number; with one lane the number itself."""
        if lanes == 1:
            return number
        nothing = ir.Constant(floats(lanes), ir.Undefined)
        first = self.insert_element(nothing, number, i64(0))
        return self.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(I32, lanes), None))

    def prefetch(self, address: Value, size: int, to_write: bool = False) -> None:
        """Ask for every line that `size` bytes touch, wherever in a line they begin, into the nearest cache."""
        function = declare(self.module, "llvm.prefetch.p0", [PTR, I32, I32, I32])
        for at in [*range(0, size, LINE), size - 1]:
            how = [ir.Constant(I32, number) for number in (int(to_write), 3, 1)]
            self.call(function, [self.offset(address, at), *how])

    @contextmanager
    def loop(self, stop: Value, step: Value | int = 1, start: Value | int = 0) -> Iterator[Value]:
        """for i in range(start, stop, step), unsigned. Blocks stand in the order in which they are written."""
        before, head = self.block, self.append_basic_block("head")
        self.branch(head)
        self.position_at_end(head)
        i = self.phi(I64)
        i.add_incoming(i64(start), before)
        body, done = self.append_basic_block("body"), ir.Block(self.function, "done")
        self.cbranch(self.test(i, "<", stop), body, done)
        self.position_at_end(body)
        yield i
        i.add_incoming(self.add(i, step), self.block)
        self.branch(head)
        self.function.blocks.append(done)
        self.position_at_end(done)

    def carry(
        self,
        stop: Value,
        step: int,
        start: Value | int,
        values: Sequence[Value],
        body: Callable[[Value, list[Value]], list[Value]],
    ) -> list[Value]:
        """for i in range(start, stop, step): values = body(i, values). The values when it ends."""
        before = self.block
        with self.loop(stop, step, start) as i:
            inside = self.block
            self.position_at_start(i.parent)
            phis = [self.phi(value.type) for value in values]
            self.position_at_end(inside)
            for phi, first, then in zip(phis, values, body(i, phis), strict=True):
                phi.add_incoming(first, before)
                phi.add_incoming(then, self.block)
        return phis

    def multiply_add(self, x: Value, y: Value, total: Value, fma: bool, lanes: int) -> Value:
        """x y + total, in one instruction or in two."""
        if fma:
            return self.call(declare_fma(self.module, lanes), [x, y, total])
        return self.fadd(total, self.fmul(x, y))

    def sum_of(self, vector: Value, lanes: int) -> Value:
        """The sum of a vector's elements, in whatever order is fastest."""
        intrinsic = declare(self.module, f"llvm.vector.reduce.fadd.v{lanes}f32", [F32, floats(lanes)], F32)
        return self.call(intrinsic, [ir.Constant(F32, -0.0), vector], fastmath=("reassoc",))
