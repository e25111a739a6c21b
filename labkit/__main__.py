"""`python -m labkit`: check the Python before anything that needs a newer one is read.

This file must parse on every Python, 2.7 too: no annotations, no f-strings.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036  (any Python may be asked)
    version = ".".join(map(str, sys.version_info[:3]))
    sys.stderr.write("python -m labkit: this needs Python 3.11 or newer, and this is " + version + "\n")
    sys.exit(2)

from labkit.cli import main

sys.exit(main())
