# `make` alone prints what there is. Every target makes its own .venv with the Python at hand.
PYTHON   ?= python3
VENV     := .venv/bin/python
RESULT   := experiments/03-matmul-perf
PYTEST   := $(VENV) -m pytest -n 2 --dist loadfile --max-worker-restart 0
COMMANDS := roofline ladder repeat doctor verify compare report export gemm redraw traffic

# One thread, set before anything starts, as the assignment asks. The doctor must see the user's own settings.
ifeq ($(filter doctor,$(MAKECMDGOALS)),)
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export MKL_NUM_THREADS := 1
export VECLIB_MAXIMUM_THREADS := 1
endif

.PHONY: help bench $(COMMANDS) doctor.pyz fleet test test-arm test-all lint clean

help:
	@echo 'make bench     measure the assignment (a first complete set in a minute, all of it in ten or more)'
	@echo 'make roofline  measure what one core of this machine can do'
	@echo 'make ladder    where the gap comes from: the loop rebuilt one change at a time, up to the BLAS and past it'
	@echo 'make gemm      the product that the ladder ends with, beside np.matmul'
	@echo 'make traffic   the bytes that cross each cache, simulated and under Valgrind, in about seven minutes'
	@echo 'make repeat    repeat the quick run: what moves, what stays'
	@echo 'make doctor    is the NumPy here healthy? its BLAS, its threads, its speed, in under 20 s'
	@echo 'make doctor.pyz the doctor as one file, for other machines and Pythons from 3.9 on'
	@echo 'make verify    is $(RESULT) a valid result of the assignment?'
	@echo 'make compare   results side by side: ARGS="DIR1 DIR2"'
	@echo 'make report    a result as one HTML file, report.html'
	@echo 'make export    a result in the format of another tool: ARGS="DIR --format csv"'
	@echo 'make redraw    draw the figures and render the pages again, from the records'
	@echo 'make fleet     the quick run on every node, through a scheduler (fleet/README.md)'
	@echo 'make test      run the tests'
	@echo 'make test-all  and those that need a browser, a wheel, ReFrame or an emulated CPU, and the documents'\'' commands'
	@echo 'make test-arm  code generation, products, doctor and benchmark on Arm, emulated'
	@echo 'make lint      check style and types'
	@echo 'make clean     remove the environments, caches and what resuming needs'
	@echo 'Options go into ARGS: make bench ARGS="--quick". For the options of a command: make verify ARGS=--help'

bench: .venv/bench
	@$(VENV) $(RESULT)/bench.py $(ARGS)

roofline doctor verify compare export gemm redraw: .venv/bench
ladder traffic: .venv/ladder
repeat: .venv/repeat
report: .venv/report
verify report: DEFAULT := $(RESULT)
redraw: DEFAULT := experiments/01-roofline $(RESULT) experiments/03-speedup-ladder
$(COMMANDS):
	@.venv/bin/labkit $@ $(or $(ARGS),$(DEFAULT))

doctor.pyz: .venv/bench
	@$(VENV) -m labkit.doctor.bundle $@

fleet: .venv/bench fleet/.venv/done
	@fleet/run $(ARGS)

test: .venv/dev
	@$(PYTEST) $(ARGS)

test-all: test fleet/.venv/done
	@$(PYTEST) tests/browser tests/documents tests/installed fleet/test_reframe.py $(ARGS)
	@.ci/emulated
	@.ci/arm --if-possible

test-arm: .venv/dev
	@.ci/arm

lint: .venv/dev
	@$(VENV) -m ruff check .
	@$(VENV) -m ruff format --check .
	@$(VENV) -m mypy

clean:
	rm -rf .venv .nox dist doctor.pyz .pytest_cache .mypy_cache .ruff_cache .hypothesis experiments/*/.state
	rm -rf fleet/.venv fleet/stage fleet/output fleet/reports # its records stay
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# An extra of pyproject.toml. Matplotlib's list of fonts takes seconds to make: once here, and not in a run.
.venv/%: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "This needs Python 3.11 or newer: name one with 'make PYTHON=python3.12 ...'" >&2; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "This Python has no venv: install it (on Debian: apt install python3-venv) and run make again" >&2; exit 2; }
	@echo 'Installing what `make $(firstword $(MAKECMDGOALS))` needs into .venv (once, a minute or so)' >&2
	@$(VENV) -c '' 2>/dev/null || $(PYTHON) -m venv --clear .venv
	@$(VENV) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$*]'
	@$(VENV) -c 'import matplotlib.font_manager'
	@touch $@

# ReFrame has an environment of its own: nothing else needs it.
fleet/.venv/done: fleet/requirements.txt
	@echo 'Installing ReFrame into fleet/.venv (once)' >&2
	@$(PYTHON) -m venv fleet/.venv
	@fleet/.venv/bin/python -m pip install --quiet --disable-pip-version-check -r fleet/requirements.txt
	@touch $@
