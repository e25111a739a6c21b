"""What `labkit compare --output` leaves: the record, the figure, the page."""

from pathlib import Path

from labkit import codec, store
from labkit.comparison import figure, page
from labkit.records import RunComparison

RECORD, FIGURE, PAGE = "comparison.json", "comparison.png", "comparison.md"


def leave(output: Path, record: RunComparison) -> None:
    """Make the three and put them in place at once."""
    with store.locked(output):
        store.put(
            output,
            {
                RECORD: codec.encode(record),
                FIGURE: figure.draw(record, page.title(record)),
                PAGE: page.render(record, FIGURE).encode(),
            },
        )
