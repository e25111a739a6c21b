"""Where the ladder's code lives."""

import sys
from pathlib import Path

LADDER = Path(__file__).resolve().parents[2] / "experiments" / "03-speedup-ladder"
sys.path.insert(0, str(LADDER))
