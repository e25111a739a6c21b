"""Where does the gap come from? The lab's loop, changed one thing at a time until it passes the BLAS."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
_ROOMS = [HERE, HERE.parent / "01-roofline", HERE.parent / "03-matmul-perf", HERE.parents[1]]
sys.path[:0] = [str(room) for room in _ROOMS if str(room) not in sys.path]
if __name__ == "__main__":
    from labkit.limits import require_address_space
    from labkit.threads import require_one_thread

    require_address_space("ladder.py", say=sys.stderr)
    require_one_thread(say=sys.stdout)

from typing import TYPE_CHECKING, Annotated

import typer

from labkit import codec, console, store
from labkit.errors import LabError

if TYPE_CHECKING:
    from labkit.records import Ladder, Manifest

SIZES = (64, 128, 256, 512, 1024)
RESULTS, MANIFEST, FIGURE, PAGE = "results.json", "manifest.json", "ladder.png", "README.md"


def main(
    sizes: Annotated[str, typer.Option(help="Orders N, separated by commas; the factors are those of the largest.")] = (
        ",".join(map(str, SIZES))
    ),
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over: forget an unfinished run.")] = False,
    redraw: Annotated[bool, typer.Option("--redraw", help="Draw and render from the records alone.")] = False,
    output: Annotated[Path, typer.Option(help="Where the artifacts go.", show_default="beside ladder.py")] = HERE,
) -> int:
    """Measure every rung of the ladder and leave results.json, ladder.png, manifest.json and README.md."""
    from labkit.records import Ladder, Manifest

    with store.locked(output):
        if redraw:
            store.settle(output)
            ladder = codec.read(output / RESULTS, Ladder, codec.MEASURE_AGAIN)
            publish(output, ladder, codec.read(output / MANIFEST, Manifest, codec.MEASURE_AGAIN))
            print(f"Drawn again from {RESULTS}: {FIGURE} and {PAGE}")
            return 0
        store.check_writable(output)
        _need_numba()
        from climb import Climb

        climb = Climb(output, _orders(sizes))
        ladder, manifest = climb.measure(fresh)
        publish(output, ladder, manifest)
        climb.finish()
    if output.resolve() == HERE:
        _refresh_labs_page()
    for line in summary(ladder):
        print(line)
    return 0


def _orders(sizes: str) -> tuple[int, ...]:
    import bench
    from experiment import Request

    return Request.parse(sizes, "matmul", False, False, known=bench.METHODS).sizes


def _need_numba() -> None:
    """A LabError where the lab's source cannot be compiled."""
    try:
        import numba  # noqa: F401  (whether it loads is the question)
    except ImportError:
        raise LabError("Numba, which compiles the lab's own source, is not installed here: run 'make ladder'") from None


def publish(output: Path, ladder: "Ladder", manifest: "Manifest") -> None:
    """Make and put in place the record, the figure, the page and the manifest."""
    import ladder_figure
    import ladder_page

    made = {
        RESULTS: codec.encode(ladder),
        FIGURE: ladder_figure.draw(ladder),
        PAGE: ladder_page.render(ladder, manifest).encode(),
    }
    manifest.outputs = {name: store.digest(data) for name, data in made.items()}
    store.put(output, made | {MANIFEST: codec.encode(manifest)})


def _refresh_labs_page() -> None:
    """The lab's page speaks of the ladder's factors: render it again. A run that measures there will do so itself."""
    lab = HERE.parent / "03-matmul-perf"
    if (lab / RESULTS).exists():
        subprocess.run([sys.executable, str(lab / "bench.py"), "--redraw"], capture_output=True, check=False)


def summary(ladder: "Ladder") -> list[str]:
    """The whole and its factors, in a few lines."""
    from labkit import pages

    titles = {rung.name: rung.title for rung in ladder.rungs}
    lines = [f"{titles[f.rung]}: x {pages.significant(f.ratio)}" for f in ladder.factors]
    return [
        *lines,
        f"Together x {pages.significant(ladder.product)}; np.matmul over naive, in pairs of its own, "
        f"x {pages.significant(ladder.whole.ratio)} at N={ladder.n}.",
    ]


if __name__ == "__main__":
    console.run("ladder.py", main)
