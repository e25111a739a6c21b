# `make` alone prints what there is. What each target does, and in which environment, is in run.py.
PYTHON  ?= python3
TARGETS := help bench roofline ladder gemm traffic repeat doctor doctor.pyz verify compare report export redraw rivals \
           fleet test test-all test-arm test-slurm lint clean

# One at a time, under `make -j` too: what measures shares the machine with nothing, and environments are made once.
.NOTPARALLEL:
.PHONY: $(TARGETS)
$(TARGETS):
	@$(PYTHON) run.py $@ $(ARGS)
