"""What can one core do? Its fp32 peak, its bandwidths, its clock, and kernels placed between them."""

import importlib.util
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
LAB = HERE.parent / "03-matmul-perf"
sys.path[:0] = [str(HERE), str(HERE.parents[1])]
if __name__ == "__main__":
    from labkit.threads import require_one_thread

    require_one_thread(say=sys.stderr)  # stdout is for --probe; the sentinel and np.matmul run in here too

from typing import Annotated

import typer

from labkit import codec, console, provenance, store, threads
from labkit.errors import LabError
from labkit.records import Manifest, Roofline

RECORD, MANIFEST, FIGURE, PAGE = "kernels.json", "manifest.json", "roofline.png", "README.md"
# In .state/: the digest of the record that this checkout has measured itself.
MARKER = "measured"
# Another measurement of the roof, perhaps left over from a killed run of the lab, is soon over.
LOCK_SECONDS = 60.0


def main(
    probe: Annotated[bool, typer.Option("--probe", help="Print peak and clock as JSON, in about a second.")] = False,
    redraw: Annotated[bool, typer.Option("--redraw", help="Draw and render from the record alone.")] = False,
    output: Annotated[Path, typer.Option(help="Where the artifacts go.", show_default="beside roofline.py")] = HERE,
) -> int:
    """Measure the roof of one core and leave kernels.json, manifest.json, roofline.png and README.md."""
    if importlib.util.find_spec("llvmlite") is None:
        raise LabError("llvmlite, which compiles the probes, is not installed for this Python: run 'make roofline'")
    if probe:
        from instrument import quick_probe

        print(quick_probe())
        return 0
    with store.locked(output, wait_seconds=LOCK_SECONDS):
        marker = store.state_folder(output) / MARKER
        if redraw:
            store.settle(output)
            roofline, manifest = codec.read(output / RECORD, Roofline), codec.read(output / MANIFEST, Manifest)
            own = marker.exists() and marker.read_text() == store.digest((output / RECORD).read_bytes())
            digest = publish(output, roofline, manifest)
            if own:
                store.write_atomically(marker, digest.encode())
            print(f"Drawn again from {RECORD}: {FIGURE} and {PAGE}")
            return 0
        store.check_writable(output)
        threads.check_effective_threads()
        from instrument import SEED, measure

        screen = console.Screen(["probe", "median", "best"])
        roofline, hardware, library, git = measure(screen)
        manifest = provenance.manifest("01-roofline", SEED, {"rounds": roofline.rounds}, hardware, library, git)
        digest = publish(output, roofline, manifest)
        store.write_atomically(marker, digest.encode())
        for line in summary(roofline):
            screen.say(line)
    return 0


def publish(output: Path, roofline: Roofline, manifest: Manifest) -> str:
    """Make and put in place the record, the figure, the page and the manifest. Returns the record's digest."""
    from roof_page import draw, render

    with store.staging(output) as stage:
        made = {
            RECORD: codec.encode(roofline),
            FIGURE: draw(roofline),
            PAGE: render(roofline, manifest).encode(),
        }
        manifest.outputs = {name: store.digest(data) for name, data in made.items()}
        made[MANIFEST] = codec.encode(manifest)
        for name, data in made.items():
            store.write_atomically(stage / name, data)
        store.publish(stage, output, {name: name for name in made})
    return manifest.outputs[RECORD]


def summary(roofline: Roofline) -> list[str]:
    """The roof in two lines."""
    peak, clock = roofline.peak, roofline.clock
    dram = next(ridge for ridge in roofline.ridge if ridge.level == "DRAM")
    return [
        f"Peak of one core: {peak.fp32_fma_gflops.best:.1f} GFLOPS fp32 ({peak.instruction_set}, "
        f"{peak.accumulators} accumulators, {peak.flops_per_cycle:.1f} flop a cycle at {clock.ghz.best:.2f} GHz).",
        f"DRAM: {dram.gbs:.1f} GB/s; ridge at {dram.flop_per_byte:.1f} flop a byte.",
    ]


if __name__ == "__main__":
    console.run("roofline.py", main)
