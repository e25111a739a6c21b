"""The records' fields are a promise to other programs: none goes, or becomes another, without this file's notice."""

import json
from pathlib import Path

import msgspec
import pytest

from labkit import cli
from labkit.records import schema

SNAPSHOT = Path(__file__).with_name("fields.txt")


def kind_of(found):
    """A field's type in a word or two."""
    if "$ref" in found:
        return found["$ref"].rpartition("/")[2]
    if "enum" in found:
        return "|".join(map(str, found["enum"]))
    if "anyOf" in found:
        return "|".join(map(kind_of, found["anyOf"]))
    if found.get("type") == "array":
        return f"[{kind_of(found['items'])}]" if found.get("items") else "[]"
    return found.get("type", "any")


def fields():
    """A line for each shape: its fields, their types, and ? where a field may be absent."""
    lines = set()
    for kind in schema.KINDS.values():
        for name, shape in json.loads(schema.schema(kind))["$defs"].items():
            required = shape.get("required", [])
            properties = shape.get("properties", {}).items()
            words = [f"{field}{'' if field in required else '?'}:{kind_of(found)}" for field, found in properties]
            lines.add(f"{name}  {'  '.join(words)}\n")
    return "".join(sorted(lines))


def test_the_fields_of_all_records_are_those_that_were_promised():
    assert fields() == SNAPSHOT.read_text(), "if this change is meant, write what `fields()` returns into fields.txt"


@pytest.mark.parametrize("name", schema.KINDS)
def test_each_schema_is_printed_by_a_command_and_is_that_of_the_code(capsys, name):
    assert cli.main(["schema", name]) == 0
    printed = json.loads(capsys.readouterr().out)
    top = printed["$defs"][schema.KINDS[name].__name__]
    assert set(top["required"]) == {f.encode_name for f in msgspec.structs.fields(schema.KINDS[name]) if f.required}
