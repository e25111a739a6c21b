"""Why NumPy cannot be imported, or its process died: the essence of what was printed, and the fix that fits (pure)."""

from __future__ import annotations

import os
import re

from labkit.doctor.facts import FEATURES, Facts
from labkit.doctor.install import CHOOSE, install, unset
from labkit.machine.blas import CORE_TYPE
from labkit.machine.limits import LEAST_ADDRESS_SPACE_MIB

X86_V2 = ("ssse3", "sse4_1", "sse4_2", "popcnt", "cx16")  # of Linux's names, what NumPy needs from 2.4 on
LONGEST = 200  # characters of a message that is not known
SEARCHED = ("LD_PRELOAD", "LD_LIBRARY_PATH")  # put other libraries in front of those that NumPy came with
DIED = "died"  # the kind of a NumPy whose import ended the process
NO_THREADS = "the system refused to start threads: the limit of processes is too low (ulimit -u)"
FOR_NO_THREADS = "export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1  # or raise the limit: ulimit -u"
FOR_NO_MEMORY = "ulimit -v unlimited"
NO_MEMORY = "the system refused memory: the limit is too low (ulimit -v)"

# What a message says, what that means, and what to install.
KNOWN = (
    (r"(\S+): cannot open shared object file|Library not loaded: (\S+)", "a shared library is missing: {}", "numpy"),
    (
        r"version [`']((?:GLIBC|GLIBCXX|CXXABI)_[\d.]+)' not found",
        "this NumPy is for a newer system: no {} here",
        "numpy<2",
    ),
    (r"No module named '?(numpy)'?(?:$|\n)", "NumPy is not installed for this Python", "numpy"),
)


def why_broken(facts: Facts) -> tuple[str, str]:
    """(what is wrong, the fix) of a NumPy that cannot be imported."""
    said = facts.broken or {}
    text, kind = str(said.get("text", "")), said.get("kind", "ImportError")
    original = re.search(r"Original error was: (.+)", text)
    essence = original[1].strip() if original else _first_line(text)
    told = f"NumPy cannot be imported: {kind}: {essence}"

    for refused, mend in ((NO_THREADS, FOR_NO_THREADS), (NO_MEMORY, FOR_NO_MEMORY)):
        if refused in (said.get("printed"), why_died(text)) or refused in text:
            return f"NumPy cannot be imported: {refused}", mend
    if kind == DIED and facts.memory_mib is not None and facts.memory_mib < LEAST_ADDRESS_SPACE_MIB:
        # OpenBLAS asks for memory again and again, and says nothing.
        return f"NumPy cannot be imported: {NO_MEMORY}: {facts.memory_mib} MiB ({essence})", FOR_NO_MEMORY
    below = "sse2" in facts.flags and "avx" not in facts.flags
    lacking = [flag for flag in X86_V2 if below and flag not in facts.flags]
    if kind == DIED and "SIGILL" in text and (lacking or facts.emulated):
        seen = f"NumPy cannot be imported: {essence}, such as {', '.join(lacking) or 'SSE4.2 and POPCNT (X86_V2)'}"
        return seen, _for_cpu(facts)
    if kind == DIED:
        return f"NumPy cannot be imported: {essence}", unset(facts, CORE_TYPE, "LD_PRELOAD", *FEATURES)
    lacks = re.search(
        r"built with baseline optimizations:\s*\((.*?)\) but your machine doesn't support:\s*\((.*?)\)", text, re.S
    )
    if lacks:
        seen = (
            f"{kind}: this NumPy needs a CPU with {' '.join(lacks[1].split())}, and this one lacks {lacks[2].strip()}"
        )
        hides = f": {facts.emulated or 'the virtual machine'} hides it" if facts.emulated or facts.virtual else ""
        return f"{seen}{hides}", _for_cpu(facts)
    if "cannot disable" in text or "cannot enable" in text or "NPY_" in text:
        variable = re.search(r"NPY_(?:DISABLE|ENABLE)_CPU_FEATURES", text)
        return told, f"unset {variable[0] if variable else ' '.join(FEATURES)}"
    if said.get("shadow"):
        name = os.path.basename(said["shadow"])
        name = os.path.basename(os.path.dirname(said["shadow"])) if name == "__init__.py" else name
        return f"a file of the user's own, {name}, takes NumPy's place", f"mv {name} my_{name}"
    tag = str(said.get("suffix", "")).partition("-x86")[0].partition("-aarch")[0].partition("-darwin")[0].strip(".")
    other = [name for name in said.get("extensions", []) if not name.endswith(str(said.get("suffix", "")))]
    if re.search(r"No module named '?numpy\.(_core|core)\._multiarray_umath", text) and other:
        built = sorted({name.split(".")[1] for name in other if name.count(".") > 1})
        return f"NumPy's files are for {', '.join(built)}, and this Python is {tag}", install(facts)
    for pattern, seen, what in KNOWN:
        match = re.search(pattern, text)
        if match:
            return seen.format(os.path.basename(next(filter(None, match.groups())))), install(facts, what)
    if "failed to map segment" in text or kind == "MemoryError" or "annot allocate memory" in text:
        return f"{told}: the limit of memory is too low, or the folder does not allow code to run", FOR_NO_MEMORY
    unfit = re.search(r"([^\s/:]+): undefined symbol: (\w+)", text)
    if unfit:
        seen = f"two libraries do not fit each other: {unfit[1]} asks for {unfit[2]}, which none that is loaded has"
        debian = facts.install["kind"] == "debian" and facts.environment.keys().isdisjoint(SEARCHED)
        return seen, CHOOSE if debian else unset(facts, *SEARCHED)
    if "source directory" in text:
        return "the current folder is NumPy's source, whose files are not built", "cd .."
    return told, install(facts)


def _for_cpu(facts: Facts) -> str:
    """What helps where the CPU, as a process sees it, is below the baseline."""
    if facts.emulated == "QEMU":
        return "export QEMU_CPU=max"
    if facts.virtual:
        return "virsh edit GUEST  # <cpu mode='host-passthrough'/>; for QEMU: -cpu host"
    return install(facts, "numpy<2.4")  # the last with a lower baseline


def _first_line(text: str) -> str:
    """The first line that says something; NumPy's long text begins with a heading."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    useful = [line for line in lines if not line.startswith("IMPORTANT: PLEASE READ")] or lines or ["no reason given"]
    first = useful[0] if not useful[0].endswith(":") else " ".join(useful[:2])
    return first[:LONGEST]


def why_died(errors: str) -> str:
    """What a process's standard error says of its end; empty if it says nothing known."""
    if re.search(r"pthread_create failed|can't start new thread|Resource temporarily unavailable", errors):
        return NO_THREADS
    if re.search(r"annot allocate memory|Memory allocation still failed|MemoryError|std::bad_alloc", errors):
        return NO_MEMORY
    if "unning under an unsupported" in errors or "Illegal instruction" in errors:
        return "it uses instructions that this CPU lacks"
    return ""
