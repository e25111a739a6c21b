"""Where does the gap come from? The loop in Python, changed one thing at a time until it passes the BLAS."""

import sys

from labkit.cli import main

if __name__ == "__main__":
    # Sees to one thread and to enough memory before NumPy and Numba are loaded.
    sys.exit(main(["ladder", *sys.argv[1:]]))
