"""What the lines of a run's journal say, written and read back by the session. Seconds are wall time."""

from typing import Annotated

import msgspec

Count = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
Seconds = Annotated[float, msgspec.Meta(ge=0, lt=1e9)]


class Started(msgspec.Struct, tag_field="kind", tag="session"):
    """A session began; every `at` is counted from here."""

    at: Seconds
    roof_seconds: Seconds


class WarmedUp(msgspec.Struct, tag_field="kind", tag="warm-up"):
    """A cell's untimed call, and what it took."""

    at: Seconds
    method: str
    n: Count
    seconds: Seconds


class Taken(msgspec.Struct, tag_field="kind", tag="repetition"):
    """A repetition: `seconds` is that of one of its calls."""

    at: Seconds
    method: str
    n: Count
    round: Count
    calls: Annotated[int, msgspec.Meta(ge=1, lt=2**53)]
    seconds: Annotated[float, msgspec.Meta(gt=1e-15, lt=1e9)]
    cpu_over_wall: Seconds
    voluntary: Count
    involuntary: Count
    steal_seconds: Seconds | None


Entry = Started | WarmedUp | Taken
