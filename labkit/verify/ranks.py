"""How many dimensions a name has, as far as syntax tells: 0 for a number, 1 for a row, 2 for a matrix."""

import ast
from collections.abc import Iterator, Sequence

# What makes an array of two dimensions.
_MAKERS = {"zeros", "empty", "full", "zeros_like", "empty_like", "full_like", "ndarray"}
# What gives its argument, or the array that it belongs to, back in another form, with as many dimensions.
RANKED = {
    "astype", "copy", "view", "reshape", "transpose", "asarray", "ascontiguousarray", "float32", "single", "tuple",
    "reversed", "iter",
}  # fmt: skip
# What of NumPy makes or looks, and computes nothing.
HARMLESS = _MAKERS | RANKED | {
    "shape", "ndim", "dtype", "result_type", "ndindex", "arange", "int64", "intp", "int32", "may_share_memory", "fill",
}  # fmt: skip


class Ranks:
    """The names of one function: `names` are all that it binds, `bound` what they were bound to last."""

    def __init__(self, arguments: ast.arguments, given: Sequence[int] | None = None) -> None:
        positional = [a.arg for a in (*arguments.posonlyargs, *arguments.args)]
        self._ranks: dict[str, int] = dict.fromkeys([*positional, *(a.arg for a in arguments.kwonlyargs)], 2)
        for argument, default in _defaults(arguments):
            if isinstance(default, ast.Constant) and isinstance(default.value, int):
                self._ranks[argument] = 0
        if given is not None:
            self._ranks |= dict(zip(positional, given, strict=False))
        self.bound: dict[str, ast.expr] = {}

    @property
    def names(self) -> set[str]:
        """What is bound here, and so is not a module's name or a builtin."""
        return set(self._ranks)

    def assign(self, target: ast.expr, value: ast.expr) -> None:
        """`target = value`."""
        if isinstance(target, ast.Name):
            self._ranks[target.id] = self.of(value)
            self.bound[target.id] = value
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            for one, its in zip(target.elts, value.elts, strict=False):
                self.assign(one, its)
        elif isinstance(target, ast.Tuple):
            for one in target.elts:
                if isinstance(one, ast.Name):
                    self._ranks[one.id] = 0

    def bind_loop(self, target: ast.expr, iterable: ast.expr) -> None:
        """`for target in iterable`: rows of what is looped over, or indices."""
        called = getattr(iterable.func, "id", "") if isinstance(iterable, ast.Call) else ""
        arguments = iterable.args if isinstance(iterable, ast.Call) else []
        if called == "enumerate" and isinstance(target, ast.Tuple) and len(target.elts) == 2 and arguments:
            self.bind_loop(target.elts[0], ast.Constant(0))
            self.bind_loop(target.elts[1], arguments[0])
        elif called == "zip" and isinstance(target, ast.Tuple):
            for one, its in zip(target.elts, arguments, strict=False):
                self.bind_loop(one, its)
        elif isinstance(target, ast.Name):
            self._ranks[target.id] = max(0, self.of(iterable) - 1)
        elif isinstance(target, ast.Tuple):
            for one in target.elts:
                self.bind_loop(one, ast.Constant(0))

    def of(self, node: ast.expr) -> int:
        """The rank of an expression."""
        if isinstance(node, ast.Name):
            return self._ranks.get(node.id, 0)
        if isinstance(node, ast.NamedExpr):
            self.assign(node.target, node.value)
            return self.of(node.value)
        if isinstance(node, ast.Subscript):
            if isinstance(node.value, ast.Attribute) and node.value.attr == "shape":
                return 0
            indices = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            return max(0, self.of(node.value) - sum(map(_takes_one, indices)))
        if isinstance(node, ast.Attribute) and node.attr == "T":
            return self.of(node.value)
        if isinstance(node, ast.BinOp):
            return max(self.of(node.left), self.of(node.right))
        if isinstance(node, ast.UnaryOp):
            return self.of(node.operand)
        if isinstance(node, ast.IfExp):
            return max(self.of(node.body), self.of(node.orelse))
        if isinstance(node, ast.Call):
            return self._of_call(node)
        return 0

    def _of_call(self, node: ast.Call) -> int:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in _MAKERS:
            return 2
        if name in RANKED:
            of_owner = self.of(node.func.value) if isinstance(node.func, ast.Attribute) else 0
            return max([of_owner, *(self.of(argument) for argument in node.args[:1])])
        return 0


def _takes_one(index: ast.expr) -> bool:
    """Whether an index picks one, rather than a stretch."""
    return not isinstance(index, ast.Slice) and not (isinstance(index, ast.Constant) and index.value in (None, ...))


def _defaults(arguments: ast.arguments) -> Iterator[tuple[str, ast.expr | None]]:
    positional = [*arguments.posonlyargs, *arguments.args]
    with_default = positional[len(positional) - len(arguments.defaults) :]
    yield from zip((a.arg for a in with_default), arguments.defaults, strict=True)
    yield from zip((a.arg for a in arguments.kwonlyargs), arguments.kw_defaults, strict=True)
