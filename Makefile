# Two commands: `make demo` renders the bundled CT, `make test` runs the tests. Both set up all they need, once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
KERNELS := $(shell find kernels -type f)

.PHONY: demo test test-slow lint types install-check bench setup clean

demo: setup
	$(BIN)/python examples/demo.py --out out/demo

test: setup
	$(BIN)/python -m pytest -m "not slow" -n 2

test-slow: setup
	$(BIN)/python -m pytest -n 2

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

# What a user does: install into an empty environment, away from the source tree, and run the command.
install-check:
	rm -rf out/install && $(PYTHON) -m venv out/install
	out/install/bin/python -m pip install --disable-pip-version-check -q -c constraints.txt .
	cd out/install && bin/deepdrr --help > help.txt && bin/deepdrr sample pelvis

# Short versions; peers are compared with where they are installed (benchmarks/requirements.txt).
bench: setup
	for table in versus_nanodrr versus_diffdrr versus_classics scaling memory; do \
		$(BIN)/python benchmarks/$$table.py --short --out out/benchmarks || exit 1; done

setup: $(VENV)/.installed $(VENV)/.built

$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt torch
	$(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt -e '.[dev]'
	touch $(VENV)/.installed $(VENV)/.built

$(VENV)/.built: setup.py $(KERNELS) | $(VENV)/.installed
	$(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt --no-deps -e .
	touch $(VENV)/.built

clean:
	rm -rf $(VENV) build out *.egg-info deepdrr/*.so
