"""CPUs that code is generated for, whichever one the tests run on."""

from functools import lru_cache

from labkit.roofline import codegen
from labkit.roofline.codegen import Target, host_target

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
    "graviton3": Target(ARM, "generic", "+bf16,+fullfp16,+i8mm,+lse,+neon,+sve", "NEON", 4, 32, fma=True),
    "apple-m1": Target(MAC, "apple-m1", "", "NEON", 4, 32, fma=True),  # another syntax: fmla.4s v0, v1, v2
}
HOST = host_target()

emit = lru_cache(maxsize=None)(codegen.emit_assembly)
