"""Damage to files: bytes cut, flipped or inserted, and JSON documents with one value gone or become another."""

import copy
import itertools
import shutil

from labkit.errors import UserError

FOLDER = object()  # instead of bytes: a folder stands in the file's place
# What a number, a text, a list or an object may have become.
OTHERS = ("text", "", "\n", -1, 0, 0.5, 10**30, 1e308, -1e-320, None, True, [], [[]], {}, {"a": []})


def damaged_bytes(raw):
    """(what was done, the content): any file, damaged without regard to what is in it."""
    for twentieth in range(20):
        yield f"cut after {twentieth}/20", raw[: len(raw) * twentieth // 20]
    for at in (len(raw) * fortieth // 40 for fortieth in range(40)):
        for mask in (0x01, 0x80):
            yield f"byte {at} xor {mask:#x}", raw[:at] + bytes([raw[at] ^ mask]) + raw[at + 1 :]
        yield f"a byte inserted at {at}", raw[:at] + b"\0" + raw[at:]
    yield "a block of zeros", raw[: len(raw) // 3] + bytes(len(raw) // 3) + raw[2 * len(raw) // 3 :]
    yield "text that is no UTF-8", raw.replace(b'"', b'"\xff', 3)
    yield "another coding", raw.decode().encode("utf-16")
    yield "twice", raw + raw
    yield "endless nesting", b'{"config": ' + b'{"a":' * 50_000
    yield "a folder in its place", FOLDER


def _places(document, at=()):
    """The path of every value; of a list the first and the last stand for all."""
    if at:
        yield at
    if isinstance(document, dict):
        for name, value in document.items():
            yield from _places(value, (*at, name))
    if isinstance(document, list):
        for i in sorted({0, len(document) - 1} if document else ()):
            yield from _places(document[i], (*at, i))


def damaged_document(document, others=4):
    """(what was done, the document): one value gone, or become so many others in turn; to be used before the next."""
    turns = itertools.cycle(OTHERS)
    for at in list(_places(document)):
        for other in (FOLDER, *itertools.islice(turns, others)):
            inside = document
            for step in at[:-1]:
                inside = inside[step]
            whole = copy.copy(inside)
            if other is FOLDER:
                del inside[at[-1]]
            else:
                inside[at[-1]] = other
            yield f"{'.'.join(map(str, at))} {'gone' if other is FOLDER else f'is {other!r:.20}'}", document
            inside.clear()
            (inside.update if isinstance(inside, dict) else inside.extend)(whole)


def put(path, content):
    """Put it where the file was."""
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    if content is FOLDER:
        path.mkdir()
        (path / "file").write_bytes(b"")
    else:
        path.write_bytes(content)


def one_line(text):
    return bool(text) and "\n" not in text and len(text) < 300


def refusal_of(call, what):
    """The line with which a call is refused, None if it is not; any other exception is a bug, met at `what`."""
    try:
        call()
    except UserError as error:
        return str(error)
    except Exception as error:
        error.add_note(what)
        raise
    return None
