"""A rung of one's own: `my.py:matmul`, or `libmine.so:sgemm` with the arguments of CBLAS."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

from labkit.errors import UserError
from labkit.ladder.apart import Apart, Kind, Spec

FUNCTIONS = {".py": "matmul", ".so": "sgemm", ".dylib": "sgemm"}  # by default, by the file's suffix


def specs(named: Sequence[str]) -> list[Spec]:
    """What to load, of FILE or FILE:FUNCTION. A UserError for what is no such file, and for a name given twice."""
    found: dict[str, Spec] = {}
    for word in named:
        place, colon, function = word.rpartition(":")
        path = Path(place if colon else word)
        if path.suffix not in FUNCTIONS or not path.is_file():
            raise UserError(f"--mine {word}: name a file and a function, as in my.py:matmul or libmine.so:sgemm")
        function = function if colon else FUNCTIONS[path.suffix]
        kind: Kind = "python" if path.suffix == ".py" else "c"
        name = path.stem if function == FUNCTIONS[path.suffix] else f"{path.stem}:{function}"
        if name in found:
            raise UserError(f"--mine {word}: there is a rung {name} already: give the file another name")
        found[name] = Spec(name, f"{path.name}:{function}", kind, str(path.resolve()), function, rung="own")
    return list(found.values())


def accepted(named: Sequence[Spec], ends: contextlib.ExitStack) -> list[Apart]:
    """Each in its process, shown to be a product. A UserError names the first that is not."""
    started = [Apart(spec) for spec in named]
    for apart in started:
        ends.callback(apart.close)
    return [apart.wait() for apart in started]
