# `make` alone prints what there is. Every target makes its own .venv with the Python at hand.
PYTHON ?= python3
VENV   := .venv/bin/python
LAB    := experiments/03-matmul-perf/bench.py
ROOF   := experiments/01-roofline/roofline.py
REPEAT := experiments/03-matmul-perf/repeat.py
MATRIX := experiments/03-matmul-perf/matrix.py
RESULT := experiments/03-matmul-perf
LADDER := experiments/03-speedup-ladder/ladder.py

# One thread, set before anything starts, as the lab asks. The doctor is to see the user's own settings.
ifeq ($(filter doctor report,$(MAKECMDGOALS)),)
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export MKL_NUM_THREADS := 1
export VECLIB_MAXIMUM_THREADS := 1
endif

.PHONY: help tools bench quick roofline ladder repeat matrix redraw doctor verify report fleet test test-browser test-documents test-fleet mutants lint clean

help:
	@echo 'make bench     measure the lab in full (a first complete set in a minute, all of it in ten or more)'
	@echo 'make quick     the first minute of it'
	@echo 'make roofline  measure what one core of this machine can do'
	@echo 'make ladder    where the gap comes from: the loop rebuilt one change at a time, until it passes the BLAS'
	@echo 'make repeat    run the quick protocol again and again: what moves, what stays'
	@echo 'make matrix    the quick protocol under each Python found here, side by side'
	@echo 'make redraw    draw the figures and render the pages again, from the records'
	@echo 'make doctor    is the NumPy here healthy? its BLAS, its threads, its speed, in under 20 s'
	@echo 'make verify    is what stands in experiments/03-matmul-perf a valid result of the lab?'
	@echo 'make report    all of it as one HTML file to look at, report.html'
	@echo 'make fleet     the quick protocol on every node, through a scheduler (fleet/README.md)'
	@echo 'make tools     the environment and the command .venv/bin/labkit, and nothing run'
	@echo 'make test      run the tests'
	@echo 'make test-browser run those of the report, in a headless Chromium'
	@echo 'make test-documents give every command of the documents, in small'
	@echo 'make test-fleet run the tests of the fleet, with ReFrame itself'
	@echo 'make mutants   put bugs into a copy of the code, one at a time, and see each caught by a test'
	@echo 'make lint      check style and types'
	@echo 'make clean     remove the environment, caches and what resuming needs'

bench: .venv/run
	@$(VENV) $(LAB) $(ARGS)

quick: .venv/run
	@$(VENV) $(LAB) --quick $(ARGS)

roofline: .venv/run
	@$(VENV) $(ROOF) $(ARGS)

ladder: .venv/ladder
	@$(VENV) $(LADDER) $(ARGS)

repeat: .venv/run
	@$(VENV) $(REPEAT) $(ARGS)

matrix: .venv/run
	@$(VENV) $(MATRIX) $(ARGS)

redraw: .venv/run
	@$(VENV) $(ROOF) --redraw
	@$(VENV) $(LAB) --redraw
	@$(VENV) $(REPEAT) --redraw
	@$(VENV) $(LADDER) --redraw
	@$(VENV) $(MATRIX) --redraw

doctor: .venv/run
	@$(VENV) -m labkit doctor $(ARGS)

tools: .venv/run

verify: .venv/run
	@$(VENV) -m labkit verify $(or $(ARGS),$(RESULT))

report: .venv/report
	@$(VENV) -m labkit report $(or $(ARGS),$(RESULT))

fleet: .venv/run fleet/.venv/done
	@fleet/run $(ARGS)

test: .venv/dev
	@$(VENV) -m pytest -n 2 --dist loadfile $(ARGS)

test-browser: .venv/dev
	@$(VENV) -m pytest tests/browser $(ARGS)

test-documents: .venv/dev
	@$(VENV) -m pytest tests/documents $(ARGS)

test-fleet: .venv/dev fleet/.venv/done
	@$(VENV) -m pytest fleet/test_reframe.py $(ARGS)

mutants: .venv/dev
	@$(VENV) tests/mutants/inject.py $(ARGS)

lint: .venv/dev
	@$(VENV) -m ruff check .
	@$(VENV) -m ruff format --check .
	@$(VENV) -m mypy

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis experiments/*/.state
	rm -rf fleet/.venv fleet/stage fleet/output fleet/reports # its records stay
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/run: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "This needs Python 3.11 or newer: name one with 'make PYTHON=python3.12 ...'" >&2; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "This Python has no venv: install it (on Debian: apt install python3-venv) and run make again" >&2; exit 2; }
	@$(PYTHON) -m venv .venv
	@$(VENV) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@$(VENV) -m pip install --quiet --disable-pip-version-check --no-deps --editable . # the command labkit
	@$(VENV) -c 'import matplotlib.font_manager' # its list of fonts takes seconds to make: once, and not in a run
	@touch $@

.venv/ladder: .venv/run requirements-ladder.txt
	@$(VENV) -m pip install --quiet --disable-pip-version-check -r requirements-ladder.txt
	@touch $@

.venv/report: .venv/run requirements-report.txt
	@$(VENV) -m pip install --quiet --disable-pip-version-check -r requirements-report.txt
	@touch $@

.venv/dev: .venv/ladder .venv/report requirements-dev.txt
	@$(VENV) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

# ReFrame's own: nothing of it is needed by those who do not use it.
fleet/.venv/done: fleet/requirements.txt
	@$(PYTHON) -m venv fleet/.venv
	@fleet/.venv/bin/python -m pip install --quiet --disable-pip-version-check -r fleet/requirements.txt
	@touch $@
