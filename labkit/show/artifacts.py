"""Which files belong to which record: draws the figures and renders the pages of what a folder holds."""

import argparse
import contextlib
from pathlib import Path

from labkit.errors import UserError
from labkit.records import find, io
from labkit.records.model import Ladder, Manifest, Repeat, Roofline
from labkit.roofline.kernels import place
from labkit.show import canvas, pages
from labkit.show.figures import bandwidth, ladder, misses, perf, repeat, roofline


def redraw(folder: Path, repeats: bool = True) -> list[str]:
    """Draw and render again from the records in a folder, and renew the digests; the names of what was written.

    Without `repeats` the record of repeated runs is left alone, which a run of the benchmark beside it does not change.
    A UserError that says what to do where a record is missing or damaged. The caller holds the folder's lock.
    """
    written: list[str] = []
    for record in (io.KERNELS, io.RESULTS):
        if (folder / record).exists():
            manifest = io.read(folder / io.MANIFEST, Manifest, io.MEASURE_AGAIN)
            make = _roofline if record == io.KERNELS else _ladder if manifest.experiment == find.LADDER else _benchmark
            made = make(folder, manifest)
            shown = {record, io.TRAFFIC} if record == io.KERNELS and misses.NAME in made else {record}
            outputs = {name: (folder / name).read_bytes() for name in sorted(shown)} | made
            manifest.outputs = {name: io.digest(data) for name, data in outputs.items()}
            io.write_all(folder, {**made, io.MANIFEST: io.encode(manifest)})
            written += [*made, io.MANIFEST]
    # Repeated runs that cannot be read are no reason to leave the benchmark that they stand beside without its page.
    if repeats and (folder / io.REPEAT).exists() and (not written or io.read_if_there(folder / io.REPEAT, Repeat)):
        written += _write_repeat(folder)
    if not written:
        records = f"{io.RESULTS}, {io.KERNELS} or {io.REPEAT}"
        raise UserError(f"{io.named(folder)} has no record, that is no {records}: measure first, as with 'make bench'")
    return written


def run(arguments: argparse.Namespace) -> int:
    """The command: redraw each folder. `unlocked` is for a run, which holds the lock and draws in another process."""
    for folder in arguments.folders:
        with contextlib.nullcontext() if arguments.unlocked or not folder.is_dir() else io.locked(folder):
            print(f"Drawn again in {folder}: {', '.join(redraw(folder, repeats=not arguments.unlocked))}")
    return 0


def _benchmark(folder: Path, _: Manifest) -> dict[str, bytes]:
    run = find.read_run(folder)
    return {"perf.png": canvas.png(perf.draw([run])), io.PAGE: pages.matmul_page(run).encode()}


def _roofline(folder: Path, manifest: Manifest) -> dict[str, bytes]:
    record = io.read(folder / io.KERNELS, Roofline, io.MEASURE_AGAIN)
    kernels, traffic = place(record, find.results_of(record.machine, folder)), find.traffic_of(record.machine, folder)
    made = {
        "roofline.png": canvas.png(roofline.draw(record, kernels, traffic)),
        "bandwidth.png": canvas.png(bandwidth.draw(record)),
        io.PAGE: pages.roofline_page(record, manifest, kernels, traffic).encode(),
    }
    return made | {name: canvas.png(drawing) for name, drawing in misses.drawings(traffic).items()}


def _ladder(folder: Path, manifest: Manifest) -> dict[str, bytes]:
    record = io.read(folder / io.RESULTS, Ladder, io.MEASURE_AGAIN)
    return {"ladder.png": canvas.png(ladder.draw(record)), io.PAGE: pages.ladder_page(record, manifest).encode()}


def _write_repeat(folder: Path) -> list[str]:
    """Its manifest is in the record, which shares its folder with another's."""
    record = io.read(folder / io.REPEAT, Repeat, io.MEASURE_AGAIN)
    made = {"repeat.png": canvas.png(repeat.draw(record)), "repeat.md": pages.repeat_page(record).encode()}
    record.manifest.outputs = {name: io.digest(data) for name, data in made.items()}
    io.write_all(folder, {**made, io.REPEAT: io.encode(record)})
    return list(made)
