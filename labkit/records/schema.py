"""The JSON Schemas of the records, printed on demand."""

import argparse
import inspect
import sys

import msgspec

from labkit.records.model import Ladder, Manifest, Record, Repeat, Results, Roofline, Traffic

KINDS: dict[str, type[Record]] = {
    "results": Results,
    "kernels": Roofline,
    "ladder": Ladder,
    "repeat": Repeat,
    "manifest": Manifest,
    "traffic": Traffic,
}


def schema(kind: type[Record]) -> bytes:
    """The JSON Schema of a record."""
    made = msgspec.json.schema(kind)
    for definition in made["$defs"].values():
        if "description" in definition:
            # From Python 3.13 on docstrings are stored without their indentation, before with it.
            definition["description"] = inspect.cleandoc(definition["description"])
    return msgspec.json.format(msgspec.json.encode(made), indent=1) + b"\n"


def run(arguments: argparse.Namespace) -> int:
    """Print one."""
    sys.stdout.write(schema(KINDS[arguments.record]).decode())
    return 0
