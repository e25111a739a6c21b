"""A product in a process of its own: a rival, another kernel of OpenBLAS, a rung of one's own, np.matmul on all cores.

Its library is loaded there and nowhere else, a fault of it ends that process alone, and it is timed there: the asking
process takes the readings of the core beside it, as for every rung.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict

from labkit.errors import UserError
from labkit.machine.blas import CORE_TYPE
from labkit.machine.cpus import allowed_cpus
from labkit.machine.process import how_it_ended, touched_foreign_memory
from labkit.machine.threads import ALL_THREAD_VARIABLES
from labkit.measure.sampling import Workload
from labkit.records.model import LadderRung

GUARDED = "guarded"  # the stage in which pages beside the operands may not be touched
# Of Numba's, which the ladder's own rungs are compiled under.
OWN_TO_THE_LADDER = ("NUMBA_LOOP_VECTORIZE", "NUMBA_SLP_VECTORIZE")


Kind = Literal["numpy", "blis", "c", "python"]


@dataclass(frozen=True)
class Spec:
    """What to load: `kind` "numpy", "blis", "c" (a library's function) or "python" (a file's), and under which name.

    `settings` are variables of its environment. `checked`: it is one's own, and shown to be a product first.
    """

    name: str
    title: str
    kind: Kind
    place: str = ""
    function: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    rung: Literal["rival", "kernel", "own"] = "rival"
    checked: bool = True


class Prepared(TypedDict):
    rows: int
    columns: int


class Apart:
    """The process. A UserError that names the product if it is refused, or ends."""

    def __init__(self, spec: Spec, threads: int = 1) -> None:
        self.spec = spec
        environment = {**os.environ, **dict.fromkeys(ALL_THREAD_VARIABLES, str(threads))}
        for name in (CORE_TYPE, *OWN_TO_THE_LADDER):
            environment.pop(name, None)
        words = [spec.kind, spec.place, spec.function, "checked" * spec.checked]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "labkit.ladder.child", *words],
            env={**environment, **spec.settings},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # the terminal's Ctrl-C is the asking process's to take
        )
        self.facts: dict[str, Any] = {}

    def wait(self) -> "Apart":
        """Until it is loaded and checked."""
        stage = ""
        while "ready" not in (said := self._answer(stage)):
            if "refused" in said:
                self.close()
                raise UserError(
                    f"{self.spec.title} {said['refused'].removesuffix('; nothing was timed')}; nothing was timed"
                )
            stage = said["stage"]
        self.facts = said["ready"]
        return self

    @property
    def rung(self) -> LadderRung:
        """As it is recorded."""
        s, f = self.spec, self.facts
        told = [f"{what} {f[what]}" for what in ("version", "kernel") if what in f]
        changed = "a function of one's own" if s.rung == "own" else ", ".join(told) or s.title
        return LadderRung(
            name=s.name,
            title=s.title,
            changed=changed,
            code=str(f.get("code", "")),
            kind=s.rung,
            over=f.get("over") or "",
            expected=f.get("expected"),
        )

    def workload(self, n: int) -> Workload:
        """Its product of order n, or the part of it that a call computes."""
        part: Prepared = self._ask(n=n)
        flops = 2 * part["rows"] * part["columns"] * n
        return Workload(
            self.spec.name, n, lambda: self.time(n, 1), flops=flops, apart=lambda calls: self.time(n, calls)
        )

    def time(self, n: int, calls: int) -> tuple[float, float]:
        """(wall, processor) seconds of so many calls."""
        found = self._ask(n=n, calls=calls)
        return found["wall"], found["cpu"]

    def follow(self) -> None:
        """Run where this process runs from here on, where the system allows that."""
        self._say(cpus=sorted(allowed_cpus()))

    def _ask(self, **what: Any) -> Any:
        self._say(**what)
        return self._answer()

    def _say(self, **what: Any) -> None:
        try:
            print(json.dumps(what), file=self._process.stdin, flush=True)
        except BrokenPipeError:
            raise self._ended() from None

    def _answer(self, stage: str = "") -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise self._ended(stage)
        return dict(json.loads(line))

    def _ended(self, stage: str = "") -> UserError:
        status = self._process.wait()
        fault = touched_foreign_memory(status)
        if fault and stage == GUARDED:
            return UserError(f"{self.spec.title} reads or writes outside A, B or C; nothing was timed")
        hint = "; it may use memory that is not its own" * fault
        return UserError(f"the process that runs {self.spec.title} {how_it_ended(status)}{hint}")

    def close(self) -> None:
        """End the process."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()
        self._process.kill()
        self._process.wait()
