"""The command `labkit roofline`: measure, record, judge, draw."""

import argparse
import json
from pathlib import Path
from types import ModuleType

from labkit.errors import UserError
from labkit.machine import threads
from labkit.records import find, io, provenance
from labkit.records.model import Roofline
from labkit.roofline.alone import PEAK
from labkit.show import text
from labkit.show.screen import Screen

# Another measurement of the roofline, perhaps left over from a killed benchmark, is soon over.
LOCK_SECONDS = 60.0


def run(arguments: argparse.Namespace) -> int:
    """Measure, or draw again, or print a quick probe; the exit status."""
    output: Path = arguments.output or find.experiment(find.ROOFLINE)
    if arguments.probe:
        print(json.dumps(_rounds().probe()))
        return 0
    with io.locked(output, wait_seconds=LOCK_SECONDS):
        if arguments.redraw:
            print(f"Drawn again: {', '.join(_draw(output))}")
        else:
            _measure(output)
    return 0


def _rounds() -> ModuleType:
    """labkit.roofline.rounds, which needs llvmlite. A UserError where that cannot be loaded."""
    try:
        import llvmlite.binding  # noqa: F401  (whether it loads is the question)
    except (ImportError, OSError, RuntimeError) as error:
        missing = isinstance(error, ModuleNotFoundError)
        why = "is not installed for this Python" if missing else f"cannot be loaded here ({type(error).__name__})"
        raise UserError(
            f"llvmlite, which compiles the loops, {why}: 'make roofline' installs it; "
            "where it has no wheel for this platform the roofline cannot be measured"
        ) from None
    from labkit.roofline import rounds

    return rounds


def _measure(output: Path) -> None:
    """Measure, record, draw. A UserError if the record itself shows that it is wrong: it is then not used."""
    rounds = _rounds()
    io.check_writable(output, Roofline)
    threads.check_effective_threads()
    screen, observed = Screen([]), provenance.observe()
    roofline: Roofline = rounds.measure(observed, screen)
    samples = next(len(s.seconds) for s in roofline.samples if s.name == PEAK)
    config = {"rounds": roofline.rounds, "turns": rounds.TURNS, "samples_of_the_peak": samples}
    manifest = provenance.manifest(find.ROOFLINE, rounds.SEED, config, observed)
    record = io.encode(roofline)
    manifest.outputs = {io.KERNELS: io.digest(record)}
    io.write_all(output, {io.KERNELS: record, io.MANIFEST: io.encode(manifest)})
    find.mark_measured(output, right=not roofline.faults)
    _draw(output)
    if roofline.faults:
        raise UserError(
            f"this roofline is wrong, and is marked so in its page and record: "
            f"{'; '.join([*roofline.faults, *roofline.notes])}. "
            "Measure it again with 'make roofline', with less running beside it"
        )
    for line in text.roofline_summary(roofline):
        screen.say(line)


def _draw(output: Path) -> list[str]:
    from labkit.show import artifacts  # after measuring: it loads what draws

    return artifacts.redraw(output)
