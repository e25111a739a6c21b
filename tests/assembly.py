"""What emitted loops must look like: their instructions, counted. A checker returns what is wrong; empty if sound."""

import re
from collections import Counter

from labkit.gemm.build import new_module
from labkit.gemm.kernel import Kernel
from labkit.roofline.codegen import loop_body
from labkit.roofline.loops import STREAM_UNROLL, UNROLL
from labkit.roofline.model import LOADS_STORES

X86_REGISTER = {16: "zmm", 8: "ymm", 4: "xmm", 1: "xmm"}
NAMES = {
    "fma": r"vfmadd(132|213|231)?[ps]s|fmla(\.4s)?|fmadd",
    "mul": r"v?mul[ps]s|fmul(\.4s)?",
    "add": r"v?add[ps]s|fadd(\.4s)?",
}
# What a loop needs besides its work: a counter, a comparison, a branch.
OVERHEAD = {"incq", "addq", "add", "cmpq", "cmp", "jb", "b.lo"}
# An address, and not the lane of a vector: v0.s[0].
MEMORY = re.compile(r"\(|\[(x|sp)")


def kernel_text(tile, rows, columns):
    """The micro-kernel as a module of its own."""
    module = new_module()
    Kernel(module, tile, rows, columns, linkage="")
    return str(module)


def instructions(assembly):
    """The instructions of the innermost loop, each as a word and its operands."""
    return [(*re.split(r"\s+", line, maxsplit=1), "")[:2] for line in loop_body(assembly)]


def kind(word, operands):
    """A vector instruction by what it does and on which registers (`fma zmm ps`); None of any other."""
    register = re.search(r"%([xyz]mm)\d+$|\b([vsdq])\d+", operands)
    if not register:
        return None
    name = next((name for name, words in NAMES.items() if re.fullmatch(words, word)), word)
    shape = re.search(r"4s$|[ps]s$", word) or re.search(r"4s\b", operands)
    return " ".join([name, register[1] or register[2], *([shape[0]] if shape else [])])


def expected(target, lanes, **counts):
    """How many instructions of each kind: what a Counter of `kind` must equal."""
    forms = ("s", "v 4s") if target.arm else (f"{X86_REGISTER[lanes]} ss", f"{X86_REGISTER[lanes]} ps")
    return {f"{name} {forms[lanes > 1]}": count for name, count in counts.items() if count}


def multiply_adds(target, lanes, count, fma, adds=0):
    """`expected` of so many multiply-adds and additions."""
    return expected(target, lanes, **({"fma": count, "add": adds} if fma else {"mul": count, "add": count + adds}))


def peak_faults(assembly, target, lanes, chains, fma, adds=0, ticks=0):
    """Whether a peak loop is its arithmetic, its clock's additions and nothing else."""
    body = instructions(assembly)
    found = Counter(kind(*line) for line in body if kind(*line))
    wanted = multiply_adds(target, lanes, chains * UNROLL, fma, adds * UNROLL)
    faults = [] if found == wanted else [f"arithmetic: {dict(found)} instead of {wanted}"]
    rest = [line for line in body if not kind(*line)]
    return faults + memory_faults(body) + (clock_faults(rest, ticks) if ticks else overhead_faults(rest))


def memory_faults(body):
    return [f"memory: {word} {operands}" for word, operands in body if MEMORY.search(operands) and word[:3] != "lea"]


def overhead_faults(rest):
    """Whether what is left is a counter, a comparison and a branch."""
    words = [word for word, _ in rest]
    return [] if len(words) == 3 and set(words) <= OVERHEAD else [f"beside the work: {words}"]


def clock_faults(rest, ticks):
    """Whether the additions of integers are one unbroken chain, with nothing but moves and the loop's own beside it."""
    found = additions(rest)
    faults = [] if found == (ticks, ticks) else [f"additions: (count, longest chain) {found} instead of {ticks}"]
    return faults + [f"beside the clock: {word}" for word, _ in rest if word not in {*OVERHEAD, "leaq", "mov", "movq"}]


# Registers that an addition names if it adds one to another; with a number in place of one it names fewer.
OF_TWO_REGISTERS = {"addq": 2, "add": 3, "leaq": 3}


def additions(body):
    """(how many additions of two registers stand in the loop, by how many a trip the longest chain of them grows)."""
    depth, reached, count = Counter(), [], 0
    for _ in range(4):
        count = 0
        for word, operands in body:
            names = ["".join(found) for found in re.findall(r"%(r\w+)|\b(x\d+)", operands)]
            if re.fullmatch(r"add|addq|leaq|incq", word):
                target = names[-1] if "%" in operands else names[0]
                # What two-operand code adds to, it reads too; the three-operand kind reads all but the first.
                sources = names[1:] if "%" not in operands else names
                depth[target] = 1 + max(depth[source] for source in sources)
                count += len(names) == OF_TWO_REGISTERS.get(word)
            elif word in ("mov", "movq"):
                source, target = names if "%" in operands else reversed(names)
                depth[target] = depth[source]
        reached.append(max(depth.values(), default=0))
    return count, reached[-1] - reached[-2]


def stream_faults(assembly, target, pattern):
    """Whether a stream loads and stores whole registers, as often as it is counted for, and does nothing else."""
    body = instructions(assembly)
    accesses = [line for line in body if MEMORY.search(line[1])]
    register = r"^q\d" if target.arm else rf"%{X86_REGISTER[target.lanes]}\d"
    faults = [f"not a whole register: {word} {o}" for word, o in accesses if not re.search(register, o)]
    moved = Counter()
    for word, operands in accesses:
        store = word.startswith("st") if target.arm else operands.endswith(")")
        moved[store] += 2 if target.arm and word.endswith("p") else 1
        if store and bool(re.fullmatch(r"v?movntps|stnp", word)) != (pattern == "copy_streaming"):
            faults.append(f"a store that does or does not bypass the caches: {word}")
    loads, stores = (STREAM_UNROLL * count for count in LOADS_STORES[pattern])
    if (moved[False], moved[True]) != (loads, stores):
        faults.append(f"{moved[False]} loads and {moved[True]} stores instead of {loads} and {stores}")
    return faults + [f"a call: {word}" for word, _ in body if re.match(r"call|blr?$", word)]
