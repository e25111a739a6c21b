"""A writer of LLVM IR: fresh names, counted loops, conditions. What it writes is text."""

from collections.abc import Iterator
from contextlib import contextmanager


class Writer:
    """The body of one function, line by line. Values are names (`%7`) or literals (`0`), all text.

    Every value is in SSA form and lives to the end of the function; a condition has no value, so what depends on one
    is chosen by `select`.
    """

    def __init__(self, signature: str) -> None:
        self._lines = [f"define {signature} {{", "entry:"]
        self._block = "entry"
        self._count = 0

    def _fresh(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count}"

    def _begin(self, label: str) -> None:
        self._lines.append(f"{label}:")
        self._block = label

    def do(self, instruction: str) -> None:
        """An instruction without a value."""
        self._lines.append(f"  {instruction}")

    def let(self, instruction: str) -> str:
        """An instruction's value."""
        name = self._fresh("%v")
        self._lines.append(f"  {name} = {instruction}")
        return name

    # --- integers of 64 bits and addresses ------------------------------------------------------------

    def add(self, a: str, b: str) -> str:
        return self.let(f"add i64 {a}, {b}")

    def sub(self, a: str, b: str) -> str:
        return self.let(f"sub i64 {a}, {b}")

    def mul(self, a: str, b: str) -> str:
        return self.let(f"mul i64 {a}, {b}")

    def minimum(self, a: str, b: str) -> str:
        return self.select(self.test(a, "ult", b), a, b)

    def maximum(self, a: str, b: str) -> str:
        return self.select(self.test(a, "ult", b), b, a)

    def quotient_up(self, a: str, by: int) -> str:
        """a / by, rounded up."""
        return self.let(f"udiv i64 {self.add(a, str(by - 1))}, {by}")

    def up_to(self, a: str, multiple: int) -> str:
        """`a` rounded up to a multiple of a power of two."""
        return self.let(f"and i64 {self.add(a, str(multiple - 1))}, {-multiple}")

    def test(self, a: str, relation: str, b: str) -> str:
        """A condition: `relation` is one of LLVM's (eq, ne, ult, sle ...)."""
        return self.let(f"icmp {relation} i64 {a}, {b}")

    def both(self, a: str, b: str) -> str:
        return self.let(f"and i1 {a}, {b}")

    def no(self, a: str) -> str:
        return self.let(f"xor i1 {a}, true")

    def either(self, a: str, b: str) -> str:
        return self.let(f"or i1 {a}, {b}")

    def select(self, condition: str, a: str, b: str, kind: str = "i64") -> str:
        return self.let(f"select i1 {condition}, {kind} {a}, {kind} {b}")

    def at(self, pointer: str, offset: str) -> str:
        """The address so many bytes on."""
        return self.let(f"getelementptr i8, ptr {pointer}, i64 {offset}")

    # --- control ---------------------------------------------------------------------------------------

    @contextmanager
    def loop(self, stop: str, step: str | int = 1, start: str = "0") -> Iterator[str]:
        """for i in range(start, stop, step), of numbers that are not negative."""
        head, body, done = (self._fresh(f"{name}.") for name in ("head", "body", "done"))
        i, following = self._fresh("%i"), self._fresh("%i")
        before = self._block
        self.do(f"br label %{head}")
        self._begin(head)
        place = len(self._lines)
        self.do("")
        more = self.test(i, "ult", stop)
        self.do(f"br i1 {more}, label %{body}, label %{done}")
        self._begin(body)
        yield i
        self.do(f"{following} = add i64 {i}, {step}")
        self._lines[place] = f"  {i} = phi i64 [ {start}, %{before} ], [ {following}, %{self._block} ]"
        self.do(f"br label %{head}")
        self._begin(done)

    @contextmanager
    def when(self, condition: str) -> Iterator[None]:
        """Only if the condition holds."""
        then, end = self._fresh("then."), self._fresh("end.")
        self.do(f"br i1 {condition}, label %{then}, label %{end}")
        self._begin(then)
        yield
        self.do(f"br label %{end}")
        self._begin(end)

    @contextmanager
    def otherwise_leave(self, condition: str, result: str) -> Iterator[None]:
        """If the condition does not hold, do this and return `result` (`i64 3`, `ptr null`, `void`)."""
        leave, stay = self._fresh("leave."), self._fresh("stay.")
        self.do(f"br i1 {condition}, label %{stay}, label %{leave}")
        self._begin(leave)
        yield
        self.do(f"ret {result}")
        self._begin(stay)

    def text(self, result: str = "void") -> str:
        """The whole function, which ends by returning `result`."""
        return "\n".join([*self._lines, f"  ret {result}", "}"])
