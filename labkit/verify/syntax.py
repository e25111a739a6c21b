"""The sources of a submission as syntax trees: modules, imports, and where a name is defined. Nothing is run."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
# What reading a source may end in, whoever wrote it.
NOT_READABLE = (SyntaxError, ValueError, RecursionError, MemoryError)
# A helper file may import a helper file: so far, and no farther, are names followed.
_DEEPEST = 8
_LONGEST_NAME, _MOST_BYTES = 200, 1 << 20


@dataclass
class Module:
    """One source file.

    `numpy` are the names that NumPy goes by in it, `imported` what single names are imported from: (module, name).
    """

    name: str
    tree: ast.Module
    numpy: set[str] = field(default_factory=set)
    imported: dict[str, tuple[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                self.numpy |= {alias.asname or "numpy" for alias in node.names if alias.name == "numpy"}
            elif isinstance(node, ast.ImportFrom) and node.module:
                self.imported |= {alias.asname or alias.name: (node.module, alias.name) for alias in node.names}

    def constant(self, name: str) -> object:
        """The value of a module-level constant; None if it has none."""
        for node in self.tree.body:
            targets = (
                node.targets
                if isinstance(node, ast.Assign)
                else [node.target]
                if isinstance(node, ast.AnnAssign)
                else []
            )
            if any(isinstance(t, ast.Name) and t.id == name for t in targets) and isinstance(node.value, ast.Constant):  # type: ignore[attr-defined]
                return node.value.value  # type: ignore[attr-defined]
        return None


class Sources:
    """bench.py and the files beside it that it imports."""

    def __init__(self, folder: Path, bench: bytes) -> None:
        """A SyntaxError or ValueError if bench.py does not parse; helper files that do not are passed over."""
        self.folder = folder
        self.modules: dict[str, Module] = {"bench": Module("bench", ast.parse(bench))}
        waiting = ["bench"]
        while waiting:
            for name in sorted({imported for imported, _ in imports(self.modules[waiting.pop()].tree)}):
                if name in self.modules or len(name) > _LONGEST_NAME:
                    continue
                path = folder.joinpath(*name.split(".")).with_suffix(".py")
                try:
                    if path.is_file() and path.stat().st_size <= _MOST_BYTES:
                        self.modules[name] = Module(name, ast.parse(path.read_bytes()))
                        waiting.append(name)
                except (*NOT_READABLE, OSError):
                    continue

    @property
    def bench(self) -> Module:
        """bench.py itself."""
        return self.modules["bench"]

    def find(self, name: str) -> tuple[Function, Module] | ast.expr | None:
        """What a name is in bench.py or, failing that, in a file beside it."""
        found = (self.define(name, module) for module in (self.bench, *self.modules.values()))
        return next((one for one in found if one is not None), None)

    def define(self, name: str, module: Module, depth: int = 0) -> tuple[Function, Module] | ast.expr | None:
        """What a name is bound to last in a module: a function and its module, another expression, or None.

        An import from a file beside it is followed.
        """
        found: tuple[Function, Module] | ast.expr | None = None
        for node in _statements(module.tree.body):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
                found = (node, module)
            elif isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
                found = self._bound(node.value, module, depth)
            elif isinstance(node, ast.AnnAssign) and node.value and isinstance(node.target, ast.Name):
                found = self._bound(node.value, module, depth) if node.target.id == name else found
            elif isinstance(node, ast.ImportFrom) and depth < _DEEPEST:
                other = self.modules.get(node.module or "")
                for alias in node.names:
                    if other and alias.name == "*":
                        found = self.define(name, other, depth + 1) or found
                    elif other and (alias.asname or alias.name) == name:
                        found = self.define(alias.name, other, depth + 1)
        return found

    def _bound(self, value: ast.expr, module: Module, depth: int) -> tuple[Function, Module] | ast.expr | None:
        if isinstance(value, ast.Lambda):
            return value, module
        if isinstance(value, ast.Name) and depth < _DEEPEST:
            return self.define(value.id, module, depth + 1) or value
        if isinstance(value, ast.Attribute) and isinstance(value.value, ast.Name) and depth < _DEEPEST:
            other = self.modules.get(value.value.id)
            return (self.define(value.attr, other, depth + 1) if other else None) or value
        return value


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Module-level statements, those under if and try too, in order."""
    for node in body:
        yield node
        if isinstance(node, ast.If):
            yield from _statements([*node.body, *node.orelse])
        elif isinstance(node, ast.Try):
            yield from _statements(
                [*node.body, *(s for h in node.handlers for s in h.body), *node.orelse, *node.finalbody]
            )
        elif isinstance(node, ast.With):
            yield from _statements(node.body)


def imports(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """(module, line) of every import, wherever it stands; of import_module and __import__ with a literal too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # `from . import x` names files beside this one.
            yield from [(node.module, node.lineno)] if node.module else [(a.name, node.lineno) for a in node.names]
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                yield node.args[0].value, node.lineno
