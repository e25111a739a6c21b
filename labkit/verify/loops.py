"""Is a function a loop in pure Python over scalars? By its syntax: what is an array where, and what is done to it."""

import ast
from collections.abc import Iterator, Sequence

from labkit.verify.ranks import HARMLESS, RANKED, Ranks
from labkit.verify.requirements import FUNCTIONS
from labkit.verify.syntax import Function, Module, Sources

# Builtins that a loop may call; what makes whole sequences at once is not among them.
_BUILTINS = {
    "range", "len", "min", "max", "zip", "enumerate", "int", "reversed", "sum", "isinstance", "abs", "divmod", "print",
    "iter", "next", "tuple", "str", "repr", "type", "super",
}  # fmt: skip
# Modules of Python's own that only count, or know numbers.
_COUNTING = ("itertools", "math")
# Single numbers multiplied and added by name are a step of the loop, too.
_SCALAR_STEPS = ("multiply", "add")
# Of an array, what leads past the loop, to NumPy's products or to its memory.
_BACK_DOORS = ("data", "base", "ctypes")
_DOUBLE = {"float64", "double", "longdouble", "float128", "float_", "complex64", "complex128"}
_SINGLE = {"float32", "single", "dtype", "type"}  # np.float32, A.dtype, A.dtype.type
_SINGLE_TEXTS = {"float32", "single", "f4", "<f4", "=f4", "f"}
_DEFAULT_IS_DOUBLE = {"zeros": 2, "empty": 2, "full": 3, "ndarray": 2}  # arguments with the dtype
_LISTS = (ast.List, ast.ListComp, ast.Dict, ast.DictComp, ast.Set, ast.SetComp)


class Loop:
    """One function: `faults` say what in it is no scalar arithmetic in a loop, `depth` how deep its loops nest.

    `ranks` are those of the arguments that it is called with; without them each is a matrix. `steps` are the third
    arguments of its ranges, as text.
    """

    def __init__(
        self,
        function: Function,
        module: Module,
        sources: Sources,
        seen: frozenset[str] = frozenset(),
        ranks: Sequence[int] | None = None,
    ) -> None:
        self.module, self.sources, self.seen = module, sources, seen
        self.name = getattr(function, "name", "<lambda>")
        self.faults: list[str] = []
        self.depth = 0
        self.steps: list[str] = []
        self.local: dict[str, ast.FunctionDef] = {}
        self._converted: set[int] = set()  # arrays that are made only to be turned into float32
        self.ranks = Ranks(function.args, ranks)
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
            self.ranks.bind_loop(node.target, node.iter)
            self._body([*node.body, *node.orelse], depth + loops_of(node.iter))
        elif isinstance(node, ast.While):
            self._expression(node.test, depth + 1)
            self._body([*node.body, *node.orelse], depth + 1)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            self._expression(node.value, depth)
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Subscript) and self.ranks.of(target) > 0 and self.ranks.of(node.value) > 0:
                    self._fault(target, f"`{brief(target)} = ...` writes a whole row or array at once")
                self.ranks.assign(target, node.value)
        elif isinstance(node, ast.AugAssign):
            self._expression(node.value, depth)
            whole = max(self.ranks.of(node.target), self.ranks.of(node.value)) > 0
            if whole and not (depth == 0 and isinstance(node.value, ast.Constant)):  # `C *= 0` once clears it
                self._fault(node, f"`{brief(node)}` works on a whole row or array at once, not on one element")
            self._matrix_product(node, node.op)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            if not all(name in _COUNTING for name in _modules(node)):
                self._fault(node, f"`{brief(node)}` inside the function")
        elif isinstance(node, ast.FunctionDef):
            self.local[node.name] = node
        elif not isinstance(node, ast.Raise):  # what is said of a wrong operand computes nothing
            for child in ast.iter_child_nodes(node):
                self._child(child, depth)

    def _body(self, statements: Sequence[ast.stmt], depth: int) -> None:
        self.depth = max(self.depth, depth)
        for statement in statements:
            self._statement(statement, depth)

    def _child(self, node: ast.AST, depth: int) -> None:
        if isinstance(node, ast.stmt):
            self._statement(node, depth)
        elif isinstance(node, ast.expr):
            self._expression(node, depth)
        else:  # a handler, a with item, a match case
            for child in ast.iter_child_nodes(node):
                self._child(child, depth)

    # --- expressions ------------------------------------------------------------------------------------

    def _expression(self, node: ast.expr, depth: int) -> None:
        if isinstance(node, _LISTS):
            self._fault(node, f"`{brief(node)}` is a Python list or its like: arrays are the containers here")
        if isinstance(node, ast.BinOp):
            whole = max(self.ranks.of(node.left), self.ranks.of(node.right)) > 0
            if whole and not isinstance(node.op, ast.MatMult):
                self._fault(node, f"`{brief(node)}` works on a whole row or array at once, not on one element")
            self._matrix_product(node, node.op)
        elif isinstance(node, ast.GeneratorExp):
            for generator in node.generators:
                self.ranks.bind_loop(generator.target, generator.iter)
                depth += loops_of(generator.iter)
            self.depth = max(self.depth, depth)
        elif isinstance(node, ast.Attribute):
            self._attribute(node)
        elif isinstance(node, ast.Call):
            self._call(node, depth)
            made = isinstance(node.func, ast.Attribute | ast.Name) and _last(node.func) in _DEFAULT_IS_DOUBLE
            arguments = node.args[1:] if made else node.args  # a shape may be written as a list
            for part in [node.func, *arguments, *(keyword.value for keyword in node.keywords)]:
                self._expression(part, depth)
            return
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self._expression(child, depth)
            elif isinstance(child, ast.comprehension):
                for inner in (child.iter, *child.ifs):
                    self._expression(inner, depth)

    def _attribute(self, node: ast.Attribute) -> None:
        if node.attr in _DOUBLE:
            self._fault(node, f"`{brief(node)}`: float32 throughout is asked for")
        elif node.attr in _BACK_DOORS or (node.attr.startswith("__") and node.attr.endswith("__")):
            self._fault(node, f"`{brief(node)}` leads past the loop")

    def _matrix_product(self, node: ast.AST, operator: ast.operator) -> None:
        if isinstance(operator, ast.MatMult):
            self._fault(node, f"`{brief(node)}` is a product by NumPy, not by a loop")

    # --- calls ------------------------------------------------------------------------------------------

    def _call(self, node: ast.Call, depth: int) -> None:
        self._dtypes(node)
        called = node.func
        if isinstance(called, ast.Name):
            self._named_call(node, called.id, depth)
            return
        if not isinstance(called, ast.Attribute):
            self._fault(node, f"`{brief(node)}` computes elsewhere, where it cannot be looked into")
            return
        root: ast.expr = called.value
        while isinstance(root, ast.Attribute):
            root = root.value
        owner = root.id if isinstance(root, ast.Name) and root.id not in self.ranks.names else ""
        if owner in self.module.numpy:
            self._numpy_call(node, called.attr)
        elif called.attr in ("tolist", "item"):
            self._fault(node, f"`.{called.attr}()` makes Python's own floats, which are float64 and no arrays")
        elif called.attr not in RANKED and called.attr not in ("type", "fill") and owner not in _COUNTING:
            self._fault(node, f"`{brief(node)}` is not part of a loop over single elements")

    def _named_call(self, node: ast.Call, name: str, depth: int) -> None:
        module, original = self.module.imported.get(name, ("", ""))
        if name in self.ranks.names:
            bound = self.ranks.bound.get(name)
            if bound is not None and self._is_numpys(bound):
                self._numpy_call(node, _last(bound))
            elif bound is None or _last(bound) != "type":  # f32 = A.dtype.type makes a scalar
                self._fault(node, f"`{brief(node)}` calls something that was handed in")
        elif name in self.local:
            self._look_into(node, self.local[name], self.module, depth)
        elif module.split(".")[0] == "numpy":
            self._numpy_call(node, original)
        elif module in _COUNTING:
            return
        elif module and self.sources.define(name, self.module) is None:
            self._fault(node, f"`{brief(node)}` computes elsewhere, where it cannot be looked into")
        else:
            self._own_or_builtin(node, name, depth)

    def _own_or_builtin(self, node: ast.Call, name: str, depth: int) -> None:
        found = self.sources.define(name, self.module)
        if name in FUNCTIONS and name != self.name:
            self._fault(node, f"`{brief(node)}` is another of the four: write the loops out")
        elif isinstance(found, tuple):
            if name not in self.seen and name != self.name:
                self._look_into(node, *found, depth)
        elif found is not None and self._is_numpys(found):  # f32 = np.float32
            self._numpy_call(node, _last(found))
        elif found is not None:
            self._fault(node, f"`{brief(node)}` is `{brief(found)}`, and computes elsewhere")
        elif name == "float":
            self._fault(node, f"`{brief(node)}` is float64: float32 throughout is asked for")
        elif name in ("list", "dict", "set", "map"):
            self._fault(node, f"`{brief(node)}`: arrays are the containers here, and loops are written out")
        elif name == "range" and len(node.args) == 3:
            self.steps.append(brief(node.args[2]))
        elif name not in _BUILTINS:
            self._fault(node, f"`{brief(node)}` computes elsewhere, where it cannot be looked into")

    def _look_into(self, node: ast.Call, function: Function, module: Module, depth: int) -> None:
        """A function of the submission's own, with the ranks of what it is given."""
        ranks = [self.ranks.of(argument) for argument in node.args]
        inner = Loop(function, module, self.sources, self.seen | {self.name}, ranks)
        self.faults += [fault for fault in inner.faults if fault not in self.faults]
        self.steps += inner.steps
        self.depth = max(self.depth, depth + inner.depth)

    def _is_numpys(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Attribute) and getattr(node.value, "id", "") in self.module.numpy

    def _numpy_call(self, node: ast.Call, name: str) -> None:
        scalars = all(self.ranks.of(argument) == 0 for argument in node.args) and not node.keywords
        if name in _SCALAR_STEPS and scalars:
            return
        if name not in HARMLESS and name not in _DOUBLE:
            self._fault(node, f"`{brief(node)}` lets NumPy compute what the loop is to compute")

    def _dtypes(self, node: ast.Call) -> None:
        """No dtype but float32, and none left to NumPy, which takes float64."""
        name = _last(node.func)
        given = [keyword.value for keyword in node.keywords if keyword.arg == "dtype"]
        if name in _DEFAULT_IS_DOUBLE and self._is_maker(node.func):
            given += node.args[_DEFAULT_IS_DOUBLE[name] - 1 : _DEFAULT_IS_DOUBLE[name]]
            if not given and id(node) not in self._converted:
                self._fault(node, f"`{brief(node)}` without a dtype makes float64: add dtype=np.float32")
        if name == "astype":
            given += node.args[:1]
            self._converted.add(id(node.func.value) if isinstance(node.func, ast.Attribute) else 0)
        for one in given:
            if not self._single(one):
                self._fault(node, f"`{brief(node)}` is not float32, or float64 by another name")

    def _is_maker(self, called: ast.expr) -> bool:
        """Whether what is called is NumPy's."""
        if isinstance(called, ast.Attribute):
            return getattr(called.value, "id", "") in self.module.numpy
        return self.module.imported.get(getattr(called, "id", ""), ("", ""))[0].split(".")[0] == "numpy"

    def _single(self, dtype: ast.expr) -> bool:
        """Whether a dtype is float32's, or that of an operand."""
        if isinstance(dtype, ast.Constant):
            return dtype.value in _SINGLE_TEXTS
        if isinstance(dtype, ast.Attribute):
            return dtype.attr in _SINGLE
        if isinstance(dtype, ast.Name):
            bound = self.ranks.bound.get(dtype.id) or self.sources.define(dtype.id, self.module)
            imported = self.module.imported.get(dtype.id, ("", dtype.id))[1]
            return self._single(bound) if isinstance(bound, ast.expr) else imported in _SINGLE
        return False


def loops_of(iterable: ast.expr) -> int:
    """How many loops one `for` is: as many as the ranges that itertools.product or np.ndindex runs over."""
    if not isinstance(iterable, ast.Call) or _last(iterable.func) not in ("product", "ndindex"):
        return 1
    many = 0
    for argument in iterable.args:
        of_matrix = isinstance(argument, ast.Attribute) and argument.attr == "shape"
        many += 2 if of_matrix else len(argument.elts) if isinstance(argument, ast.Tuple) else 1
    for keyword in iterable.keywords:
        if keyword.arg == "repeat" and isinstance(keyword.value, ast.Constant) and isinstance(keyword.value.value, int):
            many *= keyword.value.value
    return max(1, many)


def _modules(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    if isinstance(node, ast.ImportFrom):
        yield node.module or ""
    else:
        yield from (alias.name for alias in node.names)


def _last(node: ast.expr) -> str:
    """The last part of a dotted name."""
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def brief(node: ast.AST) -> str:
    """The code of a node in one short line."""
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 60 else text[:57] + "..."
