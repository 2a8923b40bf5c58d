# make demo | test | check are all a newcomer needs; each sets up what it needs by itself.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: demo test check format lint types test-kernel lab-kernel fidelity fidelity-quick bench clean help

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "qos needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V). Try: make PYTHON=python3.12 ..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(STAMP)  ## simulate the contention scenario and say where the report lies
	$(BIN)/qos simulate scenarios/contention.yaml

# Which kernels `make test` runs the lab's quick tests on; CI names three and leaves out --if-possible.
KERNELS ?= --lane uml --if-possible

test: $(STAMP)  ## all tests that need no real kernel, the scenarios' promises and baselines, then those of a real one in User Mode Linux where it can run
	$(BIN)/python -m compileall -q qos enforcer  # some 300 starts of qos: none compiles its modules again, whatever PYTHONDONTWRITEBYTECODE says
	$(BIN)/qos test scenarios --baseline reports/baseline  # first: its loops are compiled once, not in every worker
	$(BIN)/python -m pytest -n auto --dist worksteal tests
	$(BIN)/python -m enforcer.lab.suite --quick $(KERNELS)

test-kernel: $(STAMP)  ## tests/kernel on real kernels: User Mode Linux, QEMU, and with systemd as PID 1
	$(BIN)/python -m enforcer.lab.suite --lane uml --lane qemu --systemd

lab-kernel: $(STAMP)  ## build lane 3, a newer User Mode Linux, from source (5-8 minutes once, then cached)
	$(BIN)/python -m enforcer.lab.build

fidelity: $(STAMP)  ## the simulator against real kernels: the whole suite, results and tables in docs/ (2-3 hours)
	$(BIN)/python benchmarks/fidelity_grid.py run --kernel uml
	$(BIN)/python benchmarks/fidelity_grid.py run --kernel built --repeat 2
	$(BIN)/python benchmarks/fidelity_grid.py run --kernel qemu --repeat 2
	$(BIN)/python benchmarks/fidelity_grid.py table

fidelity-quick: $(STAMP)  ## eight scenarios of it on User Mode Linux, nothing stored; fails on a line outside (1-2 minutes)
	$(BIN)/python benchmarks/fidelity_grid.py quick

bench: $(STAMP)  ## benchmarks, side by side; run on a quiet machine (SimGrid: apt-get install libsimgrid-dev)
	$(BIN)/python benchmarks/peers.py
	$(BIN)/python benchmarks/growth.py
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/explain.py
	$(BIN)/python benchmarks/explain.py large
	$(BIN)/python benchmarks/sweep_speed.py

format: $(STAMP)  ## rewrite the files as the formatter has them
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix-only --exit-zero --quiet .

lint: $(STAMP)  ## format and lint, nothing rewritten
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(STAMP)  ## mypy --strict
	$(BIN)/mypy

check: lint types test  ## the one check: format, lint, types, tests

clean:  ## remove what make made
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis reports/out
