"""The entry point: Python calls the generated code with three arrays and a flag. Pure.

A call through ctypes with a dozen numbers takes a good part of the time of a small product. A function in CPython's
own calling convention (METH_FASTCALL), which asks the arrays themselves for address, shape and strides, takes little.
"""

from llvmlite import ir

from labkit.gemm.blocks import Blocks
from labkit.gemm.build import I8, I16, I32, I64, PTR, Builder, Matrix, Value, declare, i64, new_module
from labkit.gemm.driver import Product
from labkit.gemm.tile import Tile

# PyBUF_STRIDES | PyBUF_FORMAT, and PyBUF_WRITABLE: part of Python's stable ABI, as is the layout of a Py_buffer.
READ, WRITE = 0x1C, 0x1D
BUFFER_BYTES = 80
BUF, NDIM, FORMAT, SHAPE, STRIDES = 0, 36, 40, 48, 56  # bytes into a Py_buffer
ARGUMENTS = 4  # A, B, C and whether to add
# The format of an fp32 array in the machine's own byte order: "f" and a zero, as a 16-bit number. Where numbers lie
# at odd addresses there is a "=" before it.
FLOAT_FORMAT, ODD_ADDRESS = ord("f"), ord("=")
SYMBOLS = {
    "PyObject_GetBuffer": ([PTR, PTR, I32], I32),
    "PyBuffer_Release": ([PTR], ir.VoidType()),
    "PyObject_IsTrue": ([PTR], I32),
    "PyBool_FromLong": ([I64], PTR),
}


def module_ir(tile: Tile, blocks: Blocks, workspace: int) -> str:
    """All generated code, as text. It defines `kernel(self, args, count)`: args are A, B, C and a truth value.

    C = A B, or C += A B if that is true. Returns Python's True when done, and False when it declined and touched
    nothing: the buffers are not three float32 matrices that fit, or C shares memory with A or B. NULL with Python's
    own exception where an object gives no buffer or C cannot be written.
    """
    module = new_module()
    product = Product(module, tile, blocks, workspace).w.function
    get_buffer, release, is_true, as_bool = (declare(module, name, *types) for name, types in SYMBOLS.items())
    w = Builder(module, "kernel", [PTR, PTR, I64], PTR, linkage="")
    _, arguments, count = w.function.args
    done = w.alloca(I64)
    w.store(i64(0), done)
    buffers = [w.alloca(ir.ArrayType(I8, BUFFER_BYTES)) for _ in "ABC"]
    for buffer in buffers:
        buffer.align = 8

    with w.if_then(w.test(count, "==", ARGUMENTS)):
        for number, buffer in enumerate(buffers):
            operand = w.load(w.offset(arguments, 8 * number), typ=PTR)
            access = ir.Constant(I32, (READ, READ, WRITE)[number])
            with w.if_then(w.not_(w.test(w.call(get_buffer, [operand, buffer, access]), "==", 0))):
                for held in buffers[:number]:
                    w.call(release, [held])
                w.ret(ir.Constant(PTR, None))
        with w.if_then(w.and_(*(_is_matrix(w, buffer) for buffer in buffers))):
            a, b, c = (_operand(w, buffer) for buffer in buffers)
            pairs = ((a.columns, b.rows), (c.rows, a.rows), (c.columns, b.columns))
            fits = w.and_(*(w.test(x, "==", y) for x, y in pairs))
            with w.if_then(w.and_(fits, _apart(w, a, c), _apart(w, b, c))):
                truth = w.call(is_true, [w.load(w.offset(arguments, 8 * 3), typ=PTR)])
                add = w.zext(w.icmp_signed(">", truth, ir.Constant(I32, 0)), I64)
                w.call(product, [a.rows, b.columns, a.columns, *a[:3], *b[:3], *c[:3], add])
                w.store(i64(1), done)
        for buffer in buffers:
            w.call(release, [buffer])
    w.ret(w.call(as_bool, [w.load(done, typ=I64)]))
    return str(module)


def _is_matrix(w: Builder, buffer: Value) -> Value:
    """Whether the buffer is one of native fp32 in two dimensions."""
    dimensions = w.load(w.offset(buffer, NDIM), typ=I32)
    form = w.load(w.offset(buffer, FORMAT), typ=PTR)
    form = w.offset(form, w.zext(w.test(w.load(form, typ=I8), "==", ODD_ADDRESS), I64))
    # At least two bytes: a letter and the zero behind it.
    return w.and_(w.test(dimensions, "==", 2), w.test(w.load(form, typ=I16, align=1), "==", FLOAT_FORMAT))


def _operand(w: Builder, buffer: Value) -> Matrix:
    start, shape, strides = (w.load(w.offset(buffer, place), typ=PTR) for place in (BUF, SHAPE, STRIDES))
    rows, columns, row, column = (w.load(w.offset(p, at), typ=I64) for p in (shape, strides) for at in (0, 8))
    return Matrix(start, row, column, rows, columns)


def _apart(w: Builder, x: Matrix, y: Matrix) -> Value:
    """Whether no byte between the first and the last of one lies between those of the other. What is empty is apart."""
    (x_low, x_high), (y_low, y_high) = _extent(w, x), _extent(w, y)
    sizes = w.mul(w.mul(x.rows, x.columns), w.mul(y.rows, y.columns))
    return w.or_(w.test(x_high, "<=", y_low), w.test(y_high, "<=", x_low), w.test(sizes, "==", 0))


def _extent(w: Builder, x: Matrix) -> tuple[Value, Value]:
    """(address of the first byte, address behind the last)."""
    low = high = w.ptrtoint(x.start, I64)
    for count, stride in ((x.rows, x.row), (x.columns, x.column)):
        reach = w.mul(w.sub(count, 1), stride)
        backwards = w.icmp_signed("<", reach, i64(0))
        low = w.add(low, w.choose(backwards, reach, 0))
        high = w.add(high, w.choose(backwards, 0, reach))
    return low, w.add(high, 4)
