#!/bin/sh
# Gradescope runs this once, as root and with a network, when it builds the image of an assignment.
set -eu
root=${AUTOGRADER:-/autograder}
if ! python3 -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))'; then
  apt-get update
  apt-get install --yes --no-install-recommends python3 python3-venv
fi
python3 -m venv "$root/labkit"
"$root/labkit/bin/pip" install --quiet --constraint "$root/source/constraints.txt" "$root/source[bench]"
