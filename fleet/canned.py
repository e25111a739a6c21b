"""A lab that measures nothing: its bench.py leaves a record that was made up. For tests of what a node says of one."""

from collections.abc import Mapping
from pathlib import Path
from unittest.mock import patch

import made_up

from labkit import codec, machine, store
from labkit.records import Manifest, Results, Roofline

REPOSITORY = Path(__file__).resolve().parents[1]
RESULTS, MANIFEST, ROOF = "results.json", "manifest.json", "kernels.json"
_BENCH = """
import pathlib, sys
RECORDS, STATUS, SAYS = {records!r}, {status!r}, {says!r}
if "--quick" not in sys.argv:
    sys.exit("bench.py: nobody asked for the quick protocol")
print("bench.py was given", *sys.argv[1:])
output = pathlib.Path(sys.argv[sys.argv.index("--output") + 1])
roof = pathlib.Path(__file__).resolve().parents[1] / "01-roofline"
for name, data in RECORDS.items():
    ((roof if name == "kernels.json" else output) / name).write_bytes(data)
print(SAYS, file=sys.stderr)
sys.exit(STATUS)
"""


def records(**gflops: float) -> tuple[Results, Manifest, Roofline]:
    """A quick run of two sizes and two methods; `gflops` of a method, if other than the made-up machine's."""
    with patch.dict(made_up.RATES, gflops):
        results = made_up.results("64,128", "einsum,matmul", quick=True)
    manifest, roofline = made_up.manifest(), made_up.roofline()
    roofline.machine = machine.identity(manifest.hardware, manifest.blas, manifest.versions["numpy"])
    return results, manifest, roofline


def encoded(results: Results, manifest: Manifest, roofline: Roofline) -> dict[str, bytes]:
    """The files of a run, the manifest naming the results."""
    files = {RESULTS: codec.encode(results), ROOF: codec.encode(roofline)}
    manifest.outputs = {RESULTS: store.digest(files[RESULTS])}
    return {**files, MANIFEST: codec.encode(manifest)}


def lab(folder: Path, files: Mapping[str, bytes], status: int = 0, says: str = "") -> Path:
    """A checkout with this repository's code, and a bench.py that leaves these files and ends so."""
    bench = folder / "experiments" / "03-matmul-perf" / "bench.py"
    bench.parent.mkdir(parents=True)
    bench.write_text(_BENCH.format(records=dict(files), status=status, says=says))
    for name in ("labkit", "experiments/01-roofline", "fleet", "README.md.j2"):
        (folder / name).symlink_to(REPOSITORY / name)
    return folder
