"""What can one core do? Its fp32 peak, its bandwidths, its clock, and kernels placed between them."""

import sys

from labkit.cli import main

if __name__ == "__main__":
    # Sees to one thread and to enough memory before NumPy is loaded.
    sys.exit(main(["roofline", *sys.argv[1:]]))
