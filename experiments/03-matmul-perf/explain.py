"""Draw the figure and render the pages from the records in a folder: `python explain.py FOLDER`."""

import math
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import perf_figure

from labkit import codec, forensics, machine, pages, roof
from labkit.errors import LabError
from labkit.records import Cell, Ladder, Manifest, Results

PAGE_TEMPLATE = HERE / "page.md.j2"
FRONT_PAGE_TEMPLATE = HERE.parents[1] / "README.md.j2"
LADDER = HERE.parent / "03-speedup-ladder"


def read_ladder(folder: Path, manifest: Manifest) -> Ladder | None:
    """The ladder's record, if there is a valid one of this very machine, NumPy and BLAS."""
    try:
        ladder, its = codec.read(folder / "results.json", Ladder), codec.read(folder / "manifest.json", Manifest)
    except LabError:
        return None
    same = (machine.identity(m.hardware, m.blas, m.versions["numpy"]) for m in (manifest, its))
    return ladder if next(same) == next(same) else None


def facts(results: Results, manifest: Manifest, ladder: Ladder | None = None) -> dict[str, object]:
    """What the templates speak of: the records, and the cells that each answer needs by name."""
    largest = max(results.protocol.sizes)
    matmul, einsum, naive = (results.cell(name, largest) for name in ("matmul", "einsum", "naive"))
    by_n: dict[int, dict[str, Cell]] = {}
    for cell in results.cells:
        by_n.setdefault(cell.n, {})[cell.method] = cell
    blocked = [c for c in results.comparisons if c.method == "blocked"]
    return {
        "r": results,
        "m": manifest,
        "n": largest,
        "ladder": ladder,
        "ladder_factors": {f.rung: f.ratio for f in ladder.factors} if ladder else {},
        "matmul": matmul,
        "einsum": einsum,
        "naive": naive,
        "rows": sorted(by_n.items()),
        "blocked_versus_naive": sorted(blocked, key=lambda c: c.n),
        # The largest size with pairs enough for an interval says most; failing that, the largest at all.
        "blocked_answer": max(blocked, key=lambda c: (c.interval == "ci95", c.n), default=None),
        "proven_intensity": roof.proven_intensity(matmul.gflops.median, results.roof.dram_gbs) if matmul else None,
        "compulsory_intensity": roof.compulsory_intensity(largest),
        # How much of the gap, on a logarithmic scale, lies between the loop and einsum.
        "ratio_log": (
            math.log(einsum.gflops.median / naive.gflops.median) / math.log(matmul.gflops.median / naive.gflops.median)
            if naive and einsum and matmul
            else None
        ),
        "no_reuse_intensity": roof.NO_REUSE_INTENSITY,
        "cube_law": [law for law in results.cube_law if law.n >= largest],
        "extrapolated": [cell for cell in results.cells if cell.extrapolated],
        "noisy": [cell for cell in results.cells if cell.noisy and not cell.extrapolated],
        "invalid": [cell for cell in results.cells if cell.invalid and not cell.extrapolated],
        "words": forensics.WORDS,
        "few": [c for c in results.cells if not c.extrapolated and c.gflops.interval == "range"],
    }


def render_page(results: Results, manifest: Manifest, ladder: Ladder | None = None) -> str:
    """README.md of the experiment; the ladder's factors stand in it if there are any."""
    return pages.render(PAGE_TEMPLATE, **facts(results, manifest, ladder))


def render_front_page(results: Results, manifest: Manifest) -> str:
    """README.md of the repository."""
    return pages.render(FRONT_PAGE_TEMPLATE, **facts(results, manifest))


def main(folder: Path) -> None:
    """Write perf.png, README.md and the repository's front page into the folder."""
    results = codec.read(folder / "results.json", Results)
    manifest = codec.read(folder / "manifest.json", Manifest)
    (folder / "perf.png").write_bytes(perf_figure.draw(results))
    (folder / "README.md").write_text(render_page(results, manifest, read_ladder(LADDER, manifest)), encoding="utf-8")
    (folder / "front-page.md").write_text(render_front_page(results, manifest), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
