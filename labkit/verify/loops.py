"""Is a function a loop in pure Python over scalars? By its syntax: what is an array where, and what is done to it."""

import ast
from collections.abc import Iterator

from labkit.verify.syntax import Function, Module, Sources

# Builtins that a loop may call; what makes whole sequences at once is not among them.
_BUILTINS = {"range", "len", "min", "max", "zip", "enumerate", "int", "reversed", "sum", "isinstance", "abs", "divmod",
             "ValueError", "TypeError", "AssertionError", "print", "iter", "next", "tuple"}  # fmt: skip
# What makes an array or a scalar, and computes nothing.
_MAKERS = {"zeros", "empty", "full", "zeros_like", "empty_like", "full_like"}
_HARMLESS = _MAKERS | {
    "float32",
    "asarray",
    "ascontiguousarray",
    "shape",
    "ndim",
    "dtype",
    "result_type",
    "ndindex",
    "int64",
    "intp",
    "int32",
}
_ARRAY_METHODS = {"astype", "copy", "fill", "view", "reshape", "transpose"}
_DOUBLE = {"float64", "double", "longdouble", "float128", "float_", "f8", "<f8", "d", "complex64", "complex128"}
_DEFAULT_IS_DOUBLE = {"zeros", "empty", "full"}
_LISTS = (ast.List, ast.ListComp, ast.Dict, ast.DictComp, ast.Set, ast.SetComp)


class Loop:
    """One function: `faults` say what in it is no scalar arithmetic in a loop, `depth` how deep its loops nest."""

    def __init__(
        self, function: Function, module: Module, sources: Sources, seen: frozenset[str] = frozenset()
    ) -> None:
        self.module, self.sources, self.seen = module, sources, seen
        self.name = getattr(function, "name", "<lambda>")
        self.faults: list[str] = []
        self.depth = 0
        arguments = function.args
        self.dimensions: dict[str, int] = dict.fromkeys(
            [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)], 2
        )
        for argument, default in _defaults(arguments):
            if isinstance(default, ast.Constant) and isinstance(default.value, int):
                self.dimensions[argument] = 0
        body = function.body if isinstance(function.body, list) else [ast.Return(function.body)]
        for statement in body:
            self._statement(statement, 0)

    def _fault(self, node: ast.AST, said: str) -> None:
        line = f"{self.module.name}.py, line {getattr(node, 'lineno', '?')}: {said}"
        if line not in self.faults:
            self.faults.append(line)

    # --- statements -------------------------------------------------------------------------------------

    def _statement(self, node: ast.stmt, depth: int) -> None:
        self.depth = max(self.depth, depth)
        if isinstance(node, ast.For):
            self._expression(node.iter, depth)
            self._bind_loop(node.target, node.iter)
            for inner in (*node.body, *node.orelse):
                self._statement(inner, depth + self._loops_of(node.iter))
            self.depth = max(self.depth, depth + self._loops_of(node.iter))
        elif isinstance(node, ast.While):
            self._expression(node.test, depth + 1)
            for inner in (*node.body, *node.orelse):
                self._statement(inner, depth + 1)
            self.depth = max(self.depth, depth + 1)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            self._expression(node.value, depth)
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                self._assign(target, node.value)
        elif isinstance(node, ast.AugAssign):
            self._expression(node.value, depth)
            if self._rank(node.target) > 0 or self._rank(node.value) > 0:
                self._fault(node, f"`{_brief(node)}` works on a whole row or array at once, not on one element")
            self._matrix_product(node, node.op)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            self._fault(node, f"`{_brief(node)}` inside the function")
        else:
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.stmt):
                    self._statement(child, depth)
                elif isinstance(child, ast.expr):
                    self._expression(child, depth)
                else:  # a handler, a with item, a match case
                    for within in ast.iter_child_nodes(child):
                        if isinstance(within, ast.stmt):
                            self._statement(within, depth)
                        elif isinstance(within, ast.expr):
                            self._expression(within, depth)

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self.dimensions[target.id] = self._rank(value)
        elif isinstance(target, ast.Subscript) and self._rank(target) > 0 and self._rank(value) > 0:
            self._fault(target, f"`{_brief(target)} = ...` writes a whole row or array at once")
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            for one, its in zip(target.elts, value.elts, strict=False):
                self._assign(one, its)
        elif isinstance(target, ast.Tuple):
            for one in target.elts:
                if isinstance(one, ast.Name):
                    self.dimensions[one.id] = 0

    def _bind_loop(self, target: ast.expr, iterable: ast.expr) -> None:
        """What a loop's variables are: rows of what is looped over, or indices."""
        called = _called(iterable)
        if called == "enumerate" and isinstance(target, ast.Tuple) and len(target.elts) == 2:
            self._bind_loop(target.elts[0], ast.Constant(0))
            self._bind_loop(target.elts[1], iterable.args[0] if iterable.args else ast.Constant(0))  # type: ignore[attr-defined]
        elif called == "zip" and isinstance(target, ast.Tuple):
            for one, its in zip(target.elts, iterable.args, strict=False):  # type: ignore[attr-defined]
                self._bind_loop(one, its)
        elif isinstance(target, ast.Name):
            self.dimensions[target.id] = max(0, self._rank(iterable) - 1)
        elif isinstance(target, ast.Tuple):
            for one in target.elts:
                self._bind_loop(one, ast.Constant(0))

    def _loops_of(self, iterable: ast.expr) -> int:
        """How many loops one `for` is: as many as the ranges that itertools.product or np.ndindex runs over."""
        if _called(iterable) in ("product", "ndindex"):
            many = len(iterable.args)  # type: ignore[attr-defined]
            for keyword in iterable.keywords:  # type: ignore[attr-defined]
                if (
                    keyword.arg == "repeat"
                    and isinstance(keyword.value, ast.Constant)
                    and isinstance(keyword.value.value, int)
                ):
                    many *= keyword.value.value
            return max(1, many)
        return 1

    # --- expressions ------------------------------------------------------------------------------------

    def _expression(self, node: ast.expr, depth: int) -> None:
        if isinstance(node, _LISTS):
            self._fault(node, f"`{_brief(node)}` is a Python list or its like: arrays are the containers here")
        if isinstance(node, ast.BinOp):
            if max(self._rank(node.left), self._rank(node.right)) > 0 and not isinstance(node.op, ast.MatMult):
                self._fault(node, f"`{_brief(node)}` works on a whole row or array at once, not on one element")
            self._matrix_product(node, node.op)
        elif isinstance(node, ast.GeneratorExp):
            for generator in node.generators:
                self._bind_loop(generator.target, generator.iter)
                depth += self._loops_of(generator.iter)
            self.depth = max(self.depth, depth)
        elif isinstance(node, ast.Call):
            self._call(node, depth)
        elif isinstance(node, ast.Attribute) and node.attr in _DOUBLE:
            self._fault(node, f"`{_brief(node)}`: float32 throughout is asked for")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in _DOUBLE:
            self._fault(node, f"{node.value!r}: float32 throughout is asked for")
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self._expression(child, depth)
            elif isinstance(child, ast.comprehension):
                for inner in (child.iter, *child.ifs):
                    self._expression(inner, depth)
            elif isinstance(child, ast.keyword):
                if child.arg == "dtype" and isinstance(child.value, ast.Name) and child.value.id == "float":
                    self._fault(child.value, "dtype=float is float64: float32 throughout is asked for")
                self._expression(child.value, depth)

    def _matrix_product(self, node: ast.AST, operator: ast.operator) -> None:
        if isinstance(operator, ast.MatMult):
            self._fault(node, f"`{_brief(node)}` is a product by NumPy, not by a loop")

    def _call(self, node: ast.Call, depth: int) -> None:
        called = node.func
        if isinstance(called, ast.Name):
            self._named_call(node, called.id, depth)
        elif isinstance(called, ast.Attribute):
            root = called
            while isinstance(root.value, ast.Attribute):
                root = root.value
            owner = root.value.id if isinstance(root.value, ast.Name) else ""
            if owner in self.module.numpy:
                self._numpy_call(node, called.attr)
            elif called.attr in ("tolist", "item"):
                self._fault(node, f"`.{called.attr}()` makes Python's own floats, which are float64 and no arrays")
            elif self._rank(called.value) > 0 and called.attr not in _ARRAY_METHODS:
                self._fault(node, f"`{_brief(node)}` works on a whole array at once")
            elif (
                self._rank(called.value) == 0
                and owner not in ("itertools", "math", "operator", "")
                and owner not in self.dimensions
            ):
                self._fault(node, f"`{_brief(node)}` is not part of a loop in pure Python")
            if called.attr == "astype" and any(isinstance(a, ast.Name) and a.id == "float" for a in node.args):
                self._fault(node, "astype(float) is float64: float32 throughout is asked for")

    def _numpy_call(self, node: ast.Call, name: str) -> None:
        if name not in _HARMLESS and name not in _DOUBLE:
            self._fault(node, f"`{_brief(node)}` lets NumPy compute what the loop is to compute")
        if (
            name in _DEFAULT_IS_DOUBLE
            and len(node.args) < (3 if name == "full" else 2)
            and not any(keyword.arg == "dtype" for keyword in node.keywords)
        ):
            self._fault(node, f"`{_brief(node)}` without a dtype makes float64: add dtype=np.float32")

    def _named_call(self, node: ast.Call, name: str, depth: int) -> None:
        if name == "float":
            self._fault(node, f"`{_brief(node)}` is float64: float32 throughout is asked for")
        elif name in ("list", "dict", "set", "map"):
            self._fault(node, f"`{_brief(node)}`: arrays are the containers here, and loops are written out")
        elif name == "product":
            return
        elif name not in _BUILTINS:
            self._helper(node, name, depth)

    def _helper(self, node: ast.Call, name: str, depth: int) -> None:
        """A function of the submission's own is looked into; anything else computes elsewhere."""
        if name in self.seen or name == self.name:
            return
        found = self.sources.define(name, self.module)
        if isinstance(found, tuple):
            inner = Loop(*found, self.sources, self.seen | {self.name})
            self.faults += [fault for fault in inner.faults if fault not in self.faults]
            self.depth = max(self.depth, depth + inner.depth)
        else:
            self._fault(node, f"`{_brief(node)}` computes elsewhere, where it cannot be looked into")

    def _rank(self, node: ast.expr) -> int:
        """How many dimensions an expression has, as syntax tells: 0 for a number, 1 for a row, 2 for a matrix."""
        if isinstance(node, ast.Name):
            return self.dimensions.get(node.id, 0)
        if isinstance(node, ast.Subscript):
            indices = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            if isinstance(node.value, ast.Attribute) and node.value.attr == "shape":
                return 0
            taken = sum(
                not isinstance(i, ast.Slice) and not (isinstance(i, ast.Constant) and i.value in (None, ...))
                for i in indices
            )
            return max(0, self._rank(node.value) - taken)
        if isinstance(node, ast.Attribute) and node.attr == "T":
            return self._rank(node.value)
        if isinstance(node, ast.BinOp):
            return max(self._rank(node.left), self._rank(node.right))
        if isinstance(node, ast.UnaryOp):
            return self._rank(node.operand)
        if isinstance(node, ast.IfExp):
            return max(self._rank(node.body), self._rank(node.orelse))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in _MAKERS | {"asarray", "ascontiguousarray"}:
                return 2
            if node.func.attr in _ARRAY_METHODS:
                return self._rank(node.func.value)
        return 0


def _defaults(arguments: ast.arguments) -> Iterator[tuple[str, ast.expr | None]]:
    positional = [*arguments.posonlyargs, *arguments.args]
    yield from zip(
        (a.arg for a in positional[len(positional) - len(arguments.defaults) :]), arguments.defaults, strict=True
    )
    yield from zip((a.arg for a in arguments.kwonlyargs), arguments.kw_defaults, strict=True)


def _called(node: ast.expr) -> str:
    """The last name of what a call calls; empty if it is no call."""
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _brief(node: ast.AST) -> str:
    """The code of a node in one short line."""
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 60 else text[:57] + "..."
