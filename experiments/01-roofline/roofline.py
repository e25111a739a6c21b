"""What can one core do? Its fp32 peak, its bandwidths, its clock, and kernels placed between them."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
LAB = HERE.parent / "03-matmul-perf"
sys.path[:0] = [str(HERE), str(HERE.parents[1])]
if __name__ == "__main__":
    from labkit.limits import require_address_space
    from labkit.threads import require_one_thread

    require_address_space("roofline.py", say=sys.stderr)  # a BLAS or LLVM that gets too little ends the process

    require_one_thread(say=sys.stderr)  # stdout is for --probe; the sentinel and np.matmul run in here too

from typing import TYPE_CHECKING, Annotated

import typer

from labkit import console
from labkit.errors import LabError

if TYPE_CHECKING:
    from labkit.records import Manifest, Roofline

RECORD, MANIFEST, PAGE = "kernels.json", "manifest.json", "README.md"
FIGURE, STAIRCASE = "roofline.png", "staircase.png"
# In .state/: the digest of the record that this checkout has measured itself.
MARKER = "measured"
# Another measurement of the roof, perhaps left over from a killed run of the lab, is soon over.
LOCK_SECONDS = 60.0


def main(
    probe: Annotated[bool, typer.Option("--probe", help="Print peak and clock as JSON, in about a second.")] = False,
    redraw: Annotated[
        bool, typer.Option("--redraw", help="Draw and render from the records: this one, and the lab's kernels.")
    ] = False,
    output: Annotated[Path, typer.Option(help="Where the artifacts go.", show_default="beside roofline.py")] = HERE,
) -> int:
    """Measure the roof of one core and leave kernels.json, its figures, manifest.json and README.md."""
    if probe:
        _need_llvm()
        from instrument import quick_probe

        print(quick_probe())
        return 0
    from labkit import store

    with store.locked(output, wait_seconds=LOCK_SECONDS):
        if redraw:
            _redraw(output)
        else:
            _need_llvm()
            _measure(output)
    return 0


def _need_llvm() -> None:
    """A LabError where the probes cannot be compiled."""
    try:
        import llvmlite.binding  # noqa: F401  (whether it loads is the question)
    except ModuleNotFoundError:
        raise LabError(
            "llvmlite, which compiles the probes, is not installed for this Python: run 'make roofline'; "
            "where it has no wheel for this platform the roof cannot be measured"
        ) from None
    except (ImportError, OSError, RuntimeError) as error:
        raise LabError(
            f"llvmlite, which compiles the probes, cannot be loaded here ({type(error).__name__}): "
            "the roof cannot be measured"
        ) from None


def _measure(output: Path) -> None:
    from instrument import SECOND_LOOK_SECONDS, SEED, TURNS, VISIT_SECONDS, look_again, measure
    from placement import above_roof, read_lab, with_lab
    from roof_reduction import reduce_sample

    from labkit import machine, provenance, store, threads

    store.check_writable(output)
    threads.check_effective_threads()
    screen = console.Screen([])
    hardware, library, git = provenance.observe()
    lab = read_lab(LAB, machine.identity(hardware, library))
    sample = measure(screen, (hardware, library), lab_kernels=lab is None)

    def reduced() -> "Roofline":
        record = reduce_sample(sample, machine.nominal_ghz())
        record.kernels = with_lab(record.kernels, lab, record)
        record.faults = above_roof(record)
        return record

    roofline = reduced()
    if roofline.faults:
        screen.say(f"Looking again, as {roofline.faults[0]}.")
        look_again(sample, screen, SECOND_LOOK_SECONDS)
        roofline = reduced()
    config = {
        "rounds": roofline.rounds, "turns": TURNS, "visits_of_the_peak": sample.visits_of_the_peak,
        "visit_seconds": VISIT_SECONDS,
    }  # fmt: skip
    manifest = provenance.manifest("01-roofline", SEED, config, hardware, library, git)
    _finish(output, roofline, manifest, own=True)
    for line in summary(roofline):
        screen.say(line)


def _redraw(output: Path) -> None:
    from placement import above_roof, read_lab, with_lab

    from labkit import codec, store
    from labkit.records import Manifest, Roofline

    store.settle(output)
    roofline = codec.read(output / RECORD, Roofline, codec.MEASURE_AGAIN)
    manifest = codec.read(output / MANIFEST, Manifest, codec.MEASURE_AGAIN)
    marker = store.state_folder(output) / MARKER
    own = marker.exists() and marker.read_text() == store.digest((output / RECORD).read_bytes())
    roofline.kernels = with_lab(roofline.kernels, read_lab(LAB, roofline.machine), roofline)
    roofline.faults = above_roof(roofline)
    _finish(output, roofline, manifest, own)
    print(f"Drawn again from {RECORD}: {FIGURE}, {STAIRCASE} and {PAGE}")


def _finish(output: Path, roofline: "Roofline", manifest: "Manifest", own: bool) -> None:
    """Put the artifacts in place. A LabError if the record itself shows that the roof is wrong: it is then not used."""
    from labkit import store

    marker = store.state_folder(output) / MARKER
    digest = publish(output, roofline, manifest)
    if roofline.faults:
        marker.unlink(missing_ok=True)
        why = "; ".join([*roofline.faults, *roofline.notes])
        raise LabError(
            f"this roof is wrong, and is marked so in its page and record: {why}. "
            "Measure it again with 'make roofline', with less running beside it"
        )
    if own:
        store.write_atomically(marker, digest.encode())


def publish(output: Path, roofline: "Roofline", manifest: "Manifest") -> str:
    """Make and put in place the record, the figures, the page and the manifest. Returns the record's digest."""
    import roof_figure
    import roof_page
    import staircase_figure

    from labkit import codec, store

    made = {
        RECORD: codec.encode(roofline),
        FIGURE: roof_figure.draw(roofline),
        STAIRCASE: staircase_figure.draw(roofline),
        PAGE: roof_page.render(roofline, manifest).encode(),
    }
    manifest.outputs = {name: store.digest(data) for name, data in made.items()}
    store.put(output, made | {MANIFEST: codec.encode(manifest)})
    return manifest.outputs[RECORD]


def summary(roofline: "Roofline") -> list[str]:
    """The roof in two lines, and what is to be said of it."""
    peak = roofline.peak
    clock = roofline.clock.under_load_ghz or roofline.clock.ghz
    dram = next(ridge for ridge in roofline.ridge if ridge.level == "DRAM")
    return [
        f"Peak of one core: {peak.fp32_fma_gflops.best:.1f} GFLOPS fp32 ({peak.instruction_set}, "
        f"{peak.accumulators} accumulators, {peak.flops_per_cycle:.1f} flop a cycle at {clock.best:.2f} GHz).",
        f"DRAM: {dram.gbs:.1f} GB/s; ridge at {dram.flop_per_byte:.1f} flop a byte.",
        *(f"Note: {note}." for note in roofline.notes),
    ]


if __name__ == "__main__":
    console.run("roofline.py", main, stopped="what stood here before is unchanged")
