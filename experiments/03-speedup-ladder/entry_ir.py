"""The door through which Python enters the generated code, as LLVM IR: three arrays by the buffer protocol. Pure.

A call through ctypes with a dozen numbers takes a good part of the time of a small product. A function in Python's own
calling convention (METH_FASTCALL) that asks the arrays themselves for address, shape and strides takes little.
"""

from dataclasses import dataclass

from writer import Writer

# PyBUF_STRIDES | PyBUF_FORMAT, and PyBUF_WRITABLE: part of Python's stable ABI, as is the layout of a Py_buffer.
READ, WRITE = 0x1C, 0x1D
BUFFER_BYTES = 80
BUF, NDIM, FORMAT, SHAPE, STRIDES = 0, 36, 40, 48, 56  # bytes into a Py_buffer
ARGUMENTS = 4  # A, B, C and whether to add
# The format of an fp32 array in the machine's own byte order: "f" and a zero, as a 16-bit number. Where numbers lie
# at odd addresses there is a "=" before it.
FLOAT_FORMAT, ODD_ADDRESS = ord("f"), ord("=")
DONE, DECLINED = 0, 1
SYMBOLS = ("PyObject_GetBuffer", "PyBuffer_Release", "PyLong_FromLong", "PyObject_IsTrue")

DECLARATIONS = """
declare i32 @PyObject_GetBuffer(ptr, ptr, i32)
declare void @PyBuffer_Release(ptr)
declare ptr @PyLong_FromLong(i64)
declare i32 @PyObject_IsTrue(ptr)
"""


@dataclass(frozen=True)
class _Matrix:
    """Names of what a buffer says."""

    start: str
    rows: str
    columns: str
    row: str  # bytes between rows
    column: str  # bytes between columns


def entry_ir() -> str:
    """`kernel(self, args, count)`: args are A, B, C and a truth value; C = A B, or C += A B if that is true.

    Returns Python's 0 when done, and 1 when it declined and touched nothing: the buffers are not three float32
    matrices that fit, or C shares memory with A or B. NULL with Python's own exception where an object gives no buffer
    or C cannot be written.
    """
    w = Writer("ptr @kernel(ptr %self, ptr %args, i64 %count)")
    status = w.let("alloca i64")
    w.do(f"store i64 {DECLINED}, ptr {status}")
    buffers = [w.let(f"alloca [{BUFFER_BYTES} x i8], align 8") for _ in "ABC"]
    with w.when(w.test("%count", "eq", str(ARGUMENTS))):
        for number, buffer in enumerate(buffers):
            got = w.let(
                f"call i32 @PyObject_GetBuffer({_argument(w, number)}, ptr {buffer}, i32 {(READ, READ, WRITE)[number]})"
            )
            with w.otherwise_leave(w.let(f"icmp eq i32 {got}, 0"), "ptr null"):
                for held in buffers[:number]:
                    w.do(f"call void @PyBuffer_Release(ptr {held})")
        matrices = [_is_matrix(w, buffer) for buffer in buffers]
        with w.when(w.both(w.both(matrices[0], matrices[1]), matrices[2])):
            a, b, c = (_matrix(w, buffer) for buffer in buffers)
            fits = w.both(w.test(a.columns, "eq", b.rows), w.test(c.rows, "eq", a.rows))
            fits = w.both(fits, w.test(c.columns, "eq", b.columns))
            apart = w.both(_apart(w, a, c), _apart(w, b, c))
            with w.when(w.both(fits, apart)):
                truth = w.let(f"call i32 @PyObject_IsTrue({_argument(w, 3)})")
                add = w.let(f"zext i1 {w.let(f'icmp sgt i32 {truth}, 0')} to i64")
                operands = ", ".join(f"ptr {x.start}, i64 {x.row}, i64 {x.column}" for x in (a, b, c))
                w.do(f"call void @product(i64 {a.rows}, i64 {b.columns}, i64 {a.columns}, {operands}, i64 {add})")
                w.do(f"store i64 {DONE}, ptr {status}")
        for buffer in buffers:
            w.do(f"call void @PyBuffer_Release(ptr {buffer})")
    said = w.let(f"load i64, ptr {status}")
    return DECLARATIONS + w.text(f"ptr {w.let(f'call ptr @PyLong_FromLong(i64 {said})')}")


def _argument(w: Writer, number: int) -> str:
    return "ptr " + w.let(f"load ptr, ptr {w.at('%args', str(8 * number))}")


def _is_matrix(w: Writer, buffer: str) -> str:
    """Whether the buffer is one of native fp32 in two dimensions."""
    dimensions = w.let(f"load i32, ptr {w.at(buffer, str(NDIM))}")
    form = w.let(f"load ptr, ptr {w.at(buffer, str(FORMAT))}")
    first = w.let(f"load i8, ptr {form}")
    form = w.at(form, w.let(f"zext i1 {w.let(f'icmp eq i8 {first}, {ODD_ADDRESS}')} to i64"))
    # At least two bytes: a letter and the zero behind it.
    letters = w.let(f"load i16, ptr {form}, align 1")
    floats = w.let(f"icmp eq i16 {letters}, {FLOAT_FORMAT}")
    return w.both(w.let(f"icmp eq i32 {dimensions}, 2"), floats)


def _matrix(w: Writer, buffer: str) -> _Matrix:
    shape, strides = (w.let(f"load ptr, ptr {w.at(buffer, str(place))}") for place in (SHAPE, STRIDES))
    start = w.let(f"load ptr, ptr {w.at(buffer, str(BUF))}")
    return _Matrix(start, *(w.let(f"load i64, ptr {w.at(p, str(8 * n))}") for p in (shape, strides) for n in (0, 1)))


def _apart(w: Writer, x: _Matrix, y: _Matrix) -> str:
    """Whether no byte between the first and the last of one lies between those of the other. What is empty is apart."""
    (x_low, x_high), (y_low, y_high) = _extent(w, x), _extent(w, y)
    apart = w.either(w.test(x_high, "ule", y_low), w.test(y_high, "ule", x_low))
    sizes = w.mul(w.mul(x.rows, x.columns), w.mul(y.rows, y.columns))
    return w.either(apart, w.test(sizes, "eq", "0"))


def _extent(w: Writer, x: _Matrix) -> tuple[str, str]:
    """(address of the first byte, address behind the last)."""
    low = high = w.let(f"ptrtoint ptr {x.start} to i64")
    for count, stride in ((x.rows, x.row), (x.columns, x.column)):
        reach = w.mul(w.sub(count, "1"), stride)
        backwards = w.test(reach, "slt", "0")
        low = w.add(low, w.select(backwards, reach, "0"))
        high = w.add(high, w.select(backwards, "0", reach))
    return low, w.add(high, "4")
