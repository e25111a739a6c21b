"""A made-up submission that every check passes, to be copied and changed."""

import functools
import json
import math
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import made_up

from labkit.records import derive, io
from labkit.records.model import Measurement, Results

SHORT = 0.1  # seconds a sample, at least: twelve of them make a second


def measurement(measured_up_to: int = 512) -> Measurement:
    """A run whose samples take 0.1 s or more, with the wobble of 12 different times."""
    m = made_up.measurement(up_to=measured_up_to)
    for i, s in enumerate(m.samples):
        s.seconds = [x * (1 + 1e-4 * ((7 * r + i) % 12)) for r, x in enumerate(s.seconds)]
        s.cpu_seconds = list(s.seconds)
        s.calls = [max(1, math.ceil(SHORT / min(s.seconds)))] * len(s.seconds)
    return m


def png(data: object, width: int = 900, height: int = 600) -> bytes:
    """A small file that says it is a figure of that size, with these data in its description."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(height * (1 + (width + 7) // 8)))
    text = b"Description\0" + json.dumps(data).encode()
    chunks = [(b"IHDR", head), (b"tEXt", text), (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in chunks)


def figure_data(results: Results) -> dict[str, Any]:
    curves: dict[str, Any] = {}
    for c in results.cells:
        point = {"n": c.n, "gflops": c.gflops.median, "extrapolated": c.extrapolated}
        curves.setdefault(c.method, []).append(point)
    roof = {"peak_gflops": results.roof.peak_gflops, "crossover_n": results.roof.crossover_n}
    title = f"Matmul performance on {results.short_name}, fp32, single-threaded"
    return {"title": title, "axes": {"x": "log", "y": "log"}, "curves": curves, "roof": roof}


def page(results: Results) -> str:
    """The least that answers the four questions."""
    cells = {(c.method, c.n): c for c in results.cells}
    rates = {m: cells[m, 1024].gflops.median if (m, 1024) in cells else 1.0 for m in made_up.METHODS}
    naive, blocked, einsum, matmul = rates.values()
    fraction = 100 * cells["matmul", 1024].peak_fraction.value
    return (
        f"# Matmul\n\n1. np.matmul is {matmul / naive:,.0f}x as fast as naive at N = 1024 (extrapolated from 512).\n"
        f"2. einsum is {einsum / naive:,.0f} times naive; BLAS gives {matmul / einsum:.2f}x more.\n"
        f"3. It reaches {fraction:.1f} % of the peak, at 4 flop/byte or more.\n"
        f"4. The blocked loop runs at {blocked / naive:.3f} times naive's speed: the interpreter hides the caches.\n"
    )


def files_of(m: Measurement) -> dict[str, bytes]:
    """What a run leaves, by name; bench.py is left out."""
    results = derive.results(m)
    files = {
        "results.json": io.encode(results),
        "perf.png": png(figure_data(results)),
        "README.md": page(results).encode(),
    }
    return {**files, "manifest.json": io.encode(made_up.manifest(outputs=files))}


@functools.cache
def valid_files(measured_up_to: int) -> dict[str, bytes]:
    """The files of a valid submission, made once."""
    return files_of(measurement(measured_up_to))


def write(folder: Path, files: dict[str, bytes], bench: str = "x = 1\n") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, raw in {**files, "bench.py": bench.encode()}.items():
        (folder / name).write_bytes(raw)
    return folder


def doctored(
    folder: Path,
    name: str = "",
    change: Callable[[Any], object] | None = None,
    bench: str = "x = 1\n",
    measured_up_to: int = 512,
) -> Path:
    """A valid submission with one JSON record changed in place; the digest of one that is not the manifest agrees."""
    files = dict(valid_files(measured_up_to))
    if change:
        record, manifest = json.loads(files[name]), json.loads(files[io.MANIFEST])
        change(record)
        files[name] = json.dumps(record).encode()
        if name != io.MANIFEST:
            manifest["outputs"][name] = io.digest(files[name])
            files[io.MANIFEST] = json.dumps(manifest).encode()
    return write(folder, files, bench)
