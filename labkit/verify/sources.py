"""What the sources say: four functions, NumPy alone, scalar loops, one einsum, seeded inputs. Nothing is run."""

import ast
from collections.abc import Iterator

from labkit.verify import requirements as lab
from labkit.verify.loops import Loop, brief
from labkit.verify.outcome import Check, met, not_met, of_faults, unknown
from labkit.verify.submission import Submission
from labkit.verify.syntax import NOT_READABLE, Function, Module, Sources, imports

NAIVE, BLOCKED, EINSUM = lab.FUNCTIONS
# How deep the loops of each must nest.
_DEPTHS = {NAIVE: 3, BLOCKED: 6}
_NAMES = ("four functions", "NumPy alone", "naive loops", "blocked loops", "einsum call", "seeded inputs")


def checks(given: Submission) -> Iterator[Check]:
    """Static checks of bench.py and of the files beside it that it imports."""
    bench = given.files.get("bench.py")
    if bench is None:
        yield from (unknown(name, f"bench.py {given.faults['bench.py']}") for name in _NAMES)
        return
    try:
        sources = Sources(given.folder, bench)
    except NOT_READABLE as error:
        line = getattr(error, "lineno", None)
        why = f"{', line ' + str(line) if line else ''}: {getattr(error, 'msg', None) or type(error).__name__}"
        yield not_met(_NAMES[0], f"bench.py is no Python that can be read{why}")
        yield from (unknown(name, "bench.py is no Python that can be read") for name in _NAMES[1:])
        return
    yield _functions(sources)
    yield _imports(sources)
    yield _interpreted("naive loops", NAIVE, sources, given)
    yield _interpreted("blocked loops", BLOCKED, sources, given)
    yield _einsum(sources)
    yield _seeded(sources)


def _functions(sources: Sources) -> Check:
    faults = [f"bench.py defines no {name}" for name in lab.FUNCTIONS if sources.find(name) is None]
    faults += [
        f"{name} is `{ast.unparse(bound)}`, and no function of its own"
        for name in lab.FUNCTIONS
        if isinstance(bound := sources.find(name), ast.expr)
    ]
    if not any(_uses_matmul(module) for module in sources.modules.values()):
        faults.append("np.matmul, the reference, is not used")
    return of_faults(_NAMES[0], faults, f"{', '.join(lab.FUNCTIONS)} and np.matmul are there")


def _uses_matmul(module: Module) -> bool:
    return any(
        (isinstance(node, ast.Attribute) and node.attr == "matmul") or isinstance(node, ast.MatMult)
        for node in ast.walk(module.tree)
    )


def _imports(sources: Sources) -> Check:
    faults = [
        f"{module.name}.py, line {line}, imports {imported}: pure NumPy is asked for"
        for module in sources.modules.values()
        for imported, line in imports(module.tree)
        if imported.split(".")[0] in lab.FOREIGN
    ]
    return of_faults("NumPy alone", faults, "no numerical or compiling library but NumPy is imported")


def _interpreted(name: str, function: str, sources: Sources, given: Submission) -> Check:
    """Whether a function is nested loops over scalars."""
    found = sources.find(function)
    if found is None:
        return not_met(name, f"there is no {function} to look at")
    if isinstance(found, ast.expr):
        return not_met(name, f"{function} is `{ast.unparse(found)}`: write the loops out")
    loop = Loop(*found, sources)
    faults = list(loop.faults)
    if loop.depth < _DEPTHS[function]:
        faults.append(f"{function} has loops {loop.depth} deep, not {_DEPTHS[function]}")
    if function == BLOCKED:
        faults += _block_size_faults(found[0], loop, _said_of_blocks(found[0], given))
    return of_faults(name, faults, f"{function} is {_DEPTHS[function]} nested loops over single elements")


def _block_size_faults(function: Function, loop: Loop, said: str) -> Iterator[str]:
    names = [a.arg for a in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)]
    bound = [n for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    if "block_size" not in names:
        yield f"{BLOCKED} has no parameter block_size"
    elif any(name.id == "block_size" for name in bound):
        yield f"{BLOCKED} does not take the block_size that it is given"
    elif not loop.steps:
        yield f"{BLOCKED} has no range that goes in steps of a block"
    elif "block" not in said:
        yield f"nothing says what block_size is: a docstring, a comment in {BLOCKED}, or the page"


def _said_of_blocks(function: Function, given: Submission) -> str:
    """What the docstring, the comments of the function and the page say, in lower case."""
    docstring = ast.get_docstring(function) or "" if isinstance(function, ast.FunctionDef) else ""
    lines = given.files["bench.py"].decode("utf-8", errors="replace").splitlines()
    own = lines[function.lineno - 1 : function.end_lineno] if isinstance(function, ast.FunctionDef) else []
    comments = [line.partition("#")[2] for line in own]
    page = given.files.get("README.md", b"").decode("utf-8", errors="replace")
    about = "block" if "block_size" in page or "block size" in page.lower() else ""
    return " ".join([docstring, *comments, about]).lower()


# What a function around np.einsum may call besides: looks and conversions, no products.
_BESIDE_EINSUM = ("isinstance", "astype", "asarray", "ascontiguousarray", "empty", "zeros", "len", "ValueError",
                  "TypeError", "array")  # fmt: skip


def _einsum(sources: Sources) -> Check:
    name = "einsum call"
    found = sources.find(EINSUM)
    if found is None:
        return not_met(name, f"there is no {EINSUM} to look at")
    if isinstance(found, ast.expr):
        return not_met(name, f"{EINSUM} is `{brief(found)}`, not a function that calls np.einsum")
    function, module = found
    body = function.body if isinstance(function.body, list) else [function.body]
    calls = [node for part in body for node in ast.walk(part) if isinstance(node, ast.Call)]
    einsums = [call for call in calls if _is_numpys_einsum(call, module)]
    if not einsums:
        return not_met(name, f"{EINSUM} does not call np.einsum")
    faults = [fault for call in einsums for fault in _einsum_faults(call, module)]
    faults += [
        f"{module.name}.py, line {call.lineno}: it calls `{brief(call)}` as well"
        for call in calls
        if call not in einsums and _name_of(call) not in _BESIDE_EINSUM
    ]
    if any(isinstance(node, ast.MatMult) for part in body for node in ast.walk(part)):
        faults.append("it multiplies with @ as well")
    return of_faults(name, faults, f"{EINSUM} is a call of np.einsum('ik,kj->ij', A, B)")


def _is_numpys_einsum(call: ast.Call, module: Module) -> bool:
    if isinstance(call.func, ast.Attribute):
        return call.func.attr == "einsum" and getattr(call.func.value, "id", "") in module.numpy
    return module.imported.get(getattr(call.func, "id", "")) == ("numpy", "einsum")


def _einsum_faults(call: ast.Call, module: Module) -> Iterator[str]:
    first = call.args[0] if call.args else None
    text = first.value if isinstance(first, ast.Constant) else module.constant(getattr(first, "id", ""))
    if not isinstance(text, str):
        yield "np.einsum is not given its subscripts as a text"
    elif not _is_product(text):
        yield f"np.einsum is given {text!r}, not 'ik,kj->ij'"
    for keyword in call.keywords:
        value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
        if keyword.arg is None:
            yield "np.einsum is given options by **, which cannot be seen: write them out"
        elif keyword.arg == "optimize" and value is not False:
            yield "np.einsum is given optimize, which hands the product to the BLAS: leave it out"
        elif keyword.arg == "dtype" and "float32" not in ast.unparse(keyword.value):
            yield "np.einsum is given a dtype: leave it out, the operands are float32"


def _is_product(subscripts: str) -> bool:
    """Whether subscripts are those of a matrix product, whatever letters it uses."""
    inputs, _, output = subscripts.replace(" ", "").partition("->")
    parts = inputs.split(",")
    if len(parts) != 2 or [len(part) for part in parts] != [2, 2]:
        return False
    i, k, k_again, j = list("".join(parts))
    # Without an output, the letters that stand once are taken in alphabetical order.
    return k == k_again and len({i, j, k}) == 3 and (output == i + j or ("->" not in subscripts and i < j))


def _name_of(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


# Other ways to random numbers, which no seed of default_rng reaches.
_UNSEEDED = ("RandomState", "rand", "randn", "random_sample", "seed")
# What else a generator draws.
_OTHER_NUMBERS = {"random", "uniform", "normal", "integers", "exponential"}


def _seeded(sources: Sources) -> Check:
    name = "seeded inputs"
    others: list[object] = []
    drawn = False
    for module in sources.modules.values():
        for scope in _scopes(module.tree):
            calls = [node for node in scope if isinstance(node, ast.Call)]
            seeds = [_seed(call, module) for call in calls if _name_of(call) == "default_rng"]
            names = {_name_of(call) for call in calls}
            drawn = drawn or "standard_normal" in names
            if lab.SEED in seeds and "standard_normal" in names:
                return met(name, f"from np.random.default_rng({lab.SEED}).standard_normal")
            if lab.SEED in seeds and names & _OTHER_NUMBERS:
                return not_met(
                    name, f"np.random.default_rng({lab.SEED}) is there, but standard_normal is not drawn of it"
                )
            others += seeds
    calls = [call for call in ast.walk(sources.bench.tree) if isinstance(call, ast.Call)]
    if not others or not drawn or any(_name_of(call) in _UNSEEDED for call in calls):
        return not_met(name, f"the inputs do not come from np.random.default_rng({lab.SEED}).standard_normal(...)")
    constants = [seed for seed in others if seed is not None]
    if constants and lab.SEED not in constants:
        return not_met(name, f"np.random.default_rng is given {constants[0]!r}, not {lab.SEED}")
    return unknown(name, "whether the inputs are drawn of the generator with the lab's seed could not be followed")


def _scopes(tree: ast.Module) -> Iterator[list[ast.AST]]:
    """The nodes of each function, and those of the module outside of any."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    inside = {id(inner) for function in functions for inner in ast.walk(function)}
    yield from (list(ast.walk(function)) for function in functions)
    yield [node for node in ast.walk(tree) if id(node) not in inside]


def _seed(call: ast.Call, module: Module) -> object:
    """The seed that a call is given, if it is a constant."""
    given = call.args[0] if call.args else call.keywords[0].value if call.keywords else None
    return given.value if isinstance(given, ast.Constant) else module.constant(getattr(given, "id", ""))
