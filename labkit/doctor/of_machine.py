"""The checks of the machine, from what is known and measured to what is wrong (pure)."""

from __future__ import annotations

from labkit.doctor.facts import Facts, Measured
from labkit.doctor.result import Result

THROTTLED = 0.95  # of the nominal clock; the probe reads a steady one to 1 %
MOST_STEAL = 0.03  # of the CPU time wanted; a quiet guest loses less than 1 %
# Of one thread's time; a quiet machine's own services take less than 1 %.
MOST_WAITING = 0.05
MOST_CONTENDED = 0.1  # of the readings: below, the ratio may fall by chance
# These drivers hold the clock down by need, not by the governor's name.
BY_NEED = ("intel_pstate", "amd-pstate-epp")


def quota(facts: Facts, _: Measured) -> Result:
    if facts.quota is not None and facts.quota < 1:
        seen = f"the control group allows {facts.quota:g} of one core: the process is stopped for the rest of the time"
        return Result("warning", seen, "docker update --cpus=1 CONTAINER")
    return Result("fine", "none" if facts.quota is None else f"{facts.quota:g} cores' worth of time")


def processor(facts: Facts, _: Measured) -> Result:
    """Whether this Python sees the CPU as it is."""
    if facts.emulated:
        seen = f"{facts.emulated} translates the instructions of this Python, which makes all of it slow"
        return Result("error", seen, "uname -m  # install a Python for this CPU, and start it without a translator")
    if facts.virtual and facts.flags and "avx2" not in facts.flags:
        seen = f"the virtual machine hides AVX{'' if 'avx' not in facts.flags else '2'}, which its host likely has"
        return Result("warning", seen, "virsh edit GUEST  # <cpu mode='host-passthrough'/>; for QEMU: -cpu host")
    return Result("fine", facts.kinds or f"{facts.cpus} CPU{'s' if facts.cpus != 1 else ''}")


def governor(facts: Facts, measured: Measured) -> Result:
    """Whether the governor holds the clock down: by the measured clock, or by its name where nothing was measured."""
    name, why = facts.governor
    if name is None:
        return Result("unknown", str(why))
    nominal = facts.nominal_ghz[0]
    if measured.clock_ghz and nominal:
        low = measured.clock_ghz < THROTTLED * nominal and name != "performance"
    else:
        low = name == "powersave" and facts.driver not in BY_NEED  # elsewhere it is the lowest clock, always
    if not low:
        return Result("fine", name)
    seen = f"the clock governor is {name}: the clock may be low when a call begins"
    return Result("warning", seen, "sudo cpupower frequency-set --governor performance")


def power(facts: Facts, _: Measured) -> Result:
    supply, why = facts.power
    if supply == "battery":
        return Result("warning", "the machine runs on its battery: its clock is held down", "plug in the charger")
    return Result("fine", supply) if supply else Result("unknown", str(why))


def clock(facts: Facts, measured: Measured) -> Result:
    ghz, (nominal, source) = measured.clock_ghz, facts.nominal_ghz
    if not ghz:
        return Result("unknown", measured.why_no_peak or "not measured")
    if not nominal:
        return Result("unknown", f"{ghz:.2f} GHz measured; the nominal clock is unknown: {source}")
    seen = f"{ghz:.2f} GHz measured, {nominal:.2f} GHz nominal ({source})"
    if ghz >= THROTTLED * nominal:
        return Result("fine", seen)
    mend = "sudo turbostat --quiet --interval 1  # watch clock, temperature and power limit: cool it, or let it rest"
    return Result("warning", f"throttled: {seen}", mend, f"a factor of {nominal / ghz:.2f} to the nominal clock")


def steal(_: Facts, measured: Measured) -> Result:
    if measured.steal is None:
        return Result("unknown", "the system does not count the time that a host takes")
    seen = f"the host took {measured.steal:.1%} of the CPU time meanwhile"
    if measured.steal <= MOST_STEAL:
        return Result("fine", seen)
    mend = "vmstat 1  # wait until column st is 0, or move to a host that is less full"
    return Result("warning", seen, mend, f"a factor of {1 / max(1 - measured.steal, 0.01):.2f}")


def load(facts: Facts, measured: Measured) -> Result:
    """Whether other programs want the CPUs too: by the time that one thread had to wait, and by the load before."""
    waited = None if measured.busy is None else max(0.0, 1 - measured.busy)
    if facts.load is None and waited is None:
        return Result("unknown", "the system does not tell a load average")
    parts = [] if facts.load is None else [f"a load of {facts.load:.2f} per CPU before this began"]
    parts += [] if waited is None else [f"one thread waited {waited:.0%} of its time"]
    seen, mend = "; ".join(parts), "top  # see what runs, ask again later"
    # Under a quota of less than a core the waiting is the quota's.
    if waited is not None and waited > MOST_WAITING and not (facts.quota is not None and facts.quota < 1):
        return Result("warning", f"{seen}: other programs run", mend, f"a factor of {1 / max(1 - waited, 0.01):.2f}")
    if facts.load is not None and facts.load > 1 - 0.5 / facts.online:
        return Result("warning", f"{seen}: no CPU is free", mend)
    return Result("fine", seen)


def core(_: Facts, measured: Measured) -> Result:
    """Whether another tenant uses the same physical core."""
    told = measured.core
    if not told or not told.get("readings"):
        return Result("unknown", "who else uses the core was not measured")
    speeds = ", ".join(f"{name} at {speed:.2f} of its speed" for name, speed in told["speeds"].items() if speed < 1)
    seen = f"another tenant used the core in {told['contended']:.0%} of {told['seconds']:.0f} s"
    if told["contended"] <= MOST_CONTENDED:
        return Result("fine", f"{seen}, by the ratio of loads to arithmetic")
    mend = "labkit doctor --watch  # see when the core is free; on a cloud ask for a dedicated host"
    return Result("warning", f"{seen}: what reads caches is slow then", mend, speeds or None)
