"""`python -m labkit`: what the Python is checked for before anything newer than this file is read.

It must parse on every Python, 2.7 too: no annotations, no f-strings.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036  (any Python may be asked)
    version = ".".join(map(str, sys.version_info[:3]))
    sys.stderr.write("python -m labkit: this needs Python 3.11 or newer, and here is " + version + "\n")
    sys.exit(2)

from labkit.commands import main

sys.exit(main())
