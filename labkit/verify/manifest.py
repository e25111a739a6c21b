"""Demands F1, C and G3: the files, and what manifest.json says of the machine and of them, under any usual names."""

import re
from collections.abc import Iterator
from typing import Any

from labkit.records import io
from labkit.verify.assignment import FILES, OUTPUTS, SEED, THREAD_VARIABLES
from labkit.verify.documents import facts
from labkit.verify.outcome import Check, brief, judge
from labkit.verify.submission import Submission

SEED_KEYS = re.compile(r".*seed|semente|semilla|saat|graine")
POWER_KEYS = re.compile(
    r"power(?!.*governor).*|(?:on_)?(?:ac|mains|battery)(?:_.*)?|(?:is_)?plugged.*|netzteil|akku|bateria"
)
BATTERY = re.compile(r"\bbattery|discharg|akku|bateria|batterie")
MAINS = re.compile(r"\bac\b|mains|plugged|adapter|netz|tomada|corrente|secteur|line power")
UNKNOWN = re.compile(r"|unknown|none|null|n/?a|not .*|unavailable|unbekannt|desconhecid[oa]", re.IGNORECASE)
# What to write, by what is missing.
EXAMPLES = {
    "seed": '"seed": 42',
    "version of python": '"python": "3.12.4"',
    "version of numpy": '"numpy": "2.1.0"',
    "clock governor": '"governor": "performance", or null where the machine tells none',
    "thread settings": '"threads": {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}',
}


def checks(given: Submission) -> Iterator[Check]:
    """The files, then the manifest."""
    faults = [f"{name} {given.faults[name]}" for name in FILES if name not in given.files]
    faults += [f"{name} is empty" for name, raw in given.files.items() if not raw]
    yield judge("F1 the five files are there", faults, ", ".join(FILES))
    said, fault = list(facts(given.manifest)), given.faults.get(io.MANIFEST)
    if not fault and not isinstance(given.manifest, dict | list):
        fault = 'is no JSON object: write {"seed": 42, ...}'
    threads = _threads(said)
    faults = [f"manifest.json {fault}"] if fault else list(_missing(given, said, threads))
    yield judge("C1 manifest.json", faults, "seed, versions, governor and threads")
    yield _one_thread(said, threads, fault)
    yield _power(said)
    outputs = given.manifest.get("outputs") if isinstance(given.manifest, dict) else None
    faults = list(_digests(given, outputs)) if isinstance(outputs, dict) else []
    none = "" if isinstance(outputs, dict) else "manifest.json has no digests of its outputs"
    yield judge("G3 the files are those of the manifest", faults, "by their SHA-256", none)


Said = list[tuple[tuple[str, ...], Any]]


def _under(said: Said, pattern: str | re.Pattern[str]) -> list[Any]:
    """The values whose own key is such."""
    return [value for path, value in said if path and re.fullmatch(pattern, re.sub(r"[\s-]", "_", path[-1]))]


def _threads(said: Said) -> dict[str, Any]:
    """The thread variables that are told: as keys, or as texts such as "OMP_NUM_THREADS=1"."""
    found: dict[str, Any] = {}
    for path, value in said:
        for one in THREAD_VARIABLES:
            if one.casefold() in path:
                found[one] = value
            elif isinstance(value, str) and (text := re.search(rf"{one}\W{{1,3}}(\d+)", value)):
                found[one] = text[1]
    return found


def _version(said: Said, name: str) -> bool:
    """Whether a version of this stands anywhere: {"numpy": "2.1"}, {"numpy_version": ..}, "NumPy 2.1"."""
    for path, value in said:
        text = str(value).casefold()
        keyed = any(re.fullmatch(rf"{name}(?:_?(?:version|ver))?", key.replace(" ", "_")) for key in path)
        if (keyed and re.search(r"\d+\.\d+", text)) or re.search(rf"{name}\W{{0,3}}v?\d+\.\d+", text):
            return True
    return False


def _missing(given: Submission, said: Said, threads: dict[str, Any]) -> Iterator[str]:
    seeds = _under(said, SEED_KEYS)
    if seeds and not any(str(seed) == str(SEED) for seed in seeds):
        yield f"its seed is {brief(seeds[0])}, not {SEED}"
    missing = [] if seeds else ["seed"]
    missing += [f"version of {v}" for v in ("python", "numpy") if not _version(said, v)]
    missing += [] if any("governor" in key for path, _ in said for key in path) else ["clock governor"]
    missing += [] if threads or _under(said, r".*threads?|single_threaded") else ["thread settings"]
    if missing:
        yield f"manifest.json has no {', no '.join(missing)}: write {', '.join(EXAMPLES[one] for one in missing)}"
    machine = [value for path, value in said if path == ("hardware", "short_name")]
    if given.results and machine and machine[0] != given.results[0].short_name:
        yield f"it is of {brief(machine[0])}, and results.json of {given.results[0].short_name!r}"


def _one_thread(said: Said, threads: dict[str, Any], fault: str | None) -> Check:
    used = [value for path, value in said if path == ("blas", "threads") and value not in (None, 1)]
    faults = [f"the BLAS used {value} threads" for value in used]
    wrong = [one for one in THREAD_VARIABLES if str(threads.get(one)) != "1"] if threads else []
    faults += [f"{one} was {brief(threads.get(one))}: set it to 1 before Python starts, and say so" for one in wrong]
    other = [value for value in _under(said, r".*threads?|single_threaded") if value is not None]
    none = f"it says {brief(other[0])}, without the three variables" if other else "it has no thread settings"
    return judge(
        "C2 one thread", faults, "the three variables were 1", "" if threads else f"manifest.json {fault or none}"
    )


def _digests(given: Submission, outputs: dict[str, Any]) -> Iterator[str]:
    for name in OUTPUTS:
        raw = given.files.get(name)
        if name not in outputs:
            yield f"manifest.json has no digest of {name}"
        elif raw is not None:
            unix = raw.replace(b"\r\n", b"\n")  # git, and some editors, change the ends of lines
            same = {raw, unix, unix.replace(b"\n", b"\r\n")} if not name.endswith(".png") else {raw}
            if str(outputs[name]).lower() not in map(io.digest, same):
                again = "edit none by hand; `bench.py --redraw` makes the set again"
                yield f"{name} is another file, by its SHA-256: {again}"


def _power(said: Said) -> Check:
    """What is known to be wrong is not met; what a machine does not tell is unknown."""
    own = [(path[-1], value) for path, value in said if path and value is not None and "reasons" not in path]
    governor = next((str(value) for key, value in own if "governor" in key), "").strip()
    texts = [_power_text(key, value) for key, value in own if POWER_KEYS.fullmatch(key.replace(" ", "_"))]
    mains = any(MAINS.search(text) for text in texts)
    faults, missing = [], [] if mains else ["mains power"]
    if UNKNOWN.fullmatch(governor):
        missing.insert(0, "governor")
    elif governor.lower() != "performance":
        faults.append(f"the clock governor was {brief(governor)}: `sudo cpupower frequency-set -g performance`")
    if not mains and any(BATTERY.search(text) for text in texts):
        faults.append("it ran on battery: plug in the charger and measure again")
    reasons = [f"{path[-1]}: {why}" for path, why in said if "reasons" in path and path[-1] in ("governor", "power")]
    unknown = "; ".join(reasons) or f"manifest.json does not tell: {', '.join(missing)}"
    return judge("C3 governor and power", faults, f"governor {governor}, mains power", unknown if missing else "")


def _power_text(key: str, value: Any) -> str:
    if isinstance(value, bool):
        return "battery" if ("battery" in key) == value else "mains"
    return str(value).casefold()
