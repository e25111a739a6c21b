"""CPUs that code is generated for, whichever one the tests run on, and what code for them looks like."""

import re
from functools import lru_cache

import codegen
from codegen import Target, loop_body

X86, ARM, MAC = "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "arm64-apple-darwin23"
TARGETS = {
    "x86-64": Target(X86, "x86-64", "", "SSE", 4, 16, fma=False),
    "x86-64-v2": Target(X86, "x86-64-v2", "", "SSE", 4, 16, fma=False),
    "sandybridge": Target(X86, "sandybridge", "", "AVX", 8, 16, fma=False),
    "x86-64-v3": Target(X86, "x86-64-v3", "", "AVX2 + FMA", 8, 16, fma=True),
    "bdver2": Target(X86, "bdver2", "", "AVX2 + FMA", 8, 16, fma=True),  # has the FMA of four operands too
    "x86-64-v4": Target(X86, "x86-64-v4", "", "AVX-512", 16, 32, fma=True),
    "aarch64": Target(ARM, "generic", "", "NEON", 4, 32, fma=True),
    "neoverse-n1": Target(ARM, "neoverse-n1", "", "NEON", 4, 32, fma=True),
    "cortex-a72": Target(ARM, "cortex-a72", "", "NEON", 4, 32, fma=True),
    "apple-m1": Target(MAC, "apple-m1", "", "NEON", 4, 32, fma=True),  # another syntax: fmla.4s v0, v1, v2
}
X86_REGISTER = {16: "zmm", 8: "ymm", 4: "xmm", 1: "xmm"}
# Every width that a target has, from one lane to the full register.
WIDTHS = [(name, lanes) for name, target in TARGETS.items() for lanes in (1, 4, 8, 16) if lanes <= target.lanes]

emit = lru_cache(maxsize=None)(codegen.emit_assembly)


def loop(ir, target):
    """The instructions of the loop, each as a word and its operands."""
    return [re.split(r"\s+", line, maxsplit=1) for line in loop_body(emit(ir, target))]


def kind(word, operands):
    """A vector instruction by what it does and on which registers (`fma zmm ps`); None of any other."""
    register = re.search(r"%([xyz]mm)\d+$|\b([vsdq])\d+", operands)
    if not register:
        return None
    name = next((n for n, words in NAMES.items() if re.fullmatch(words, word)), word)
    shape = re.search(r"4s$|[ps]s$", word) or re.search(r"4s\b", operands)
    return " ".join([name, register[1] or register[2], *([shape[0]] if shape else [])])


NAMES = {
    "fma": r"vfmadd(132|213|231)?[ps]s|fmla(\.4s)?|fmadd",
    "mul": r"v?mul[ps]s|fmul(\.4s)?",
    "add": r"v?add[ps]s|fadd(\.4s)?",
}


def expected(target, lanes, fma=0, mul=0, add=0):
    """How many instructions of each kind: what a Counter of `kind` must equal."""
    forms = ("s", "v 4s") if target.arm else (f"{X86_REGISTER[lanes]} ss", f"{X86_REGISTER[lanes]} ps")
    form = forms[lanes > 1]
    return {f"{name} {form}": count for name, count in (("fma", fma), ("mul", mul), ("add", add)) if count}
