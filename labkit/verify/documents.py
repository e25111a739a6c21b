"""Texts and JSON as editors and programs write them: in any encoding, as one document or as an object a line."""

import json
from collections.abc import Iterator
from typing import Any

MOST_LEVELS, MOST_VALUES = 40, 2_000_000  # of a document; an honest one has 6 levels and some 100,000 numbers


def decoded(raw: bytes) -> str:
    """The text of a file, whatever encoding an editor gave it."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16", "replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def document(raw: bytes) -> Any:
    """The JSON of a file, or of its lines as a list; NaN is null. A ValueError says what is wrong, and where."""
    text = decoded(raw)
    try:
        return json.loads(text, parse_constant=lambda _: None)
    except json.JSONDecodeError as error:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) > 1 and all(line.startswith("{") for line in lines):
            return [json.loads(line, parse_constant=lambda _: None) for line in lines]
        raise ValueError(f"is no JSON: {error.msg} in line {error.lineno}") from None


def facts(value: Any, path: tuple[str, ...] = (), depth: int = 0) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(keys in lower case, value) of every value that is no object; of long lists of numbers none."""
    if depth > MOST_LEVELS:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from facts(inner, (*path, str(key).casefold()), depth + 1)
    elif isinstance(value, list):
        for inner in value[:1000] if not value or not is_number(value[0]) else ():
            yield from facts(inner, path, depth + 1)
    else:
        yield path, value


def is_number(value: Any) -> bool:
    """Whether it is a number of JSON."""
    return isinstance(value, int | float) and not isinstance(value, bool)
