# Two commands: `make demo` renders the bundled CT, `make test` runs the tests. Both set up all they need, once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt
BUILT_FROM := pyproject.toml constraints.txt setup.py $(shell find kernels -type f -not -path '*/__pycache__/*')
SOFTWARE_DRIVER := out/software_cuda_driver
# More options for pytest: `make test PYTEST=--durations=25`.
PYTEST ?=
# What every machine can run: what needs a GPU, or one that software stands in for, has targets of its own.
NO_DEVICE := not on_cuda and not on_stand_in
# The tests of the CUDA backend, and those of the CPU's with the CUDA backend behind `project`.
ON_CUDA := --device cuda -m "not slow" tests/cuda tests/raycast tests/projector tests/drr

.PHONY: demo test test-slow test-device software-driver test-cuda test-gpu lint types docs install-check bench bench-gpu gpu-day setup clean

demo: $(VENV)/.runtime
	@echo "deepdrr: rendering the bundled CT into out/demo"
	$(BIN)/python examples/demo.py --out out/demo

test: setup
	$(BIN)/python -m pytest -m "not slow and $(NO_DEVICE)" -n 2 $(PYTEST)
	@echo "Left out: minutes-long tests (make test-slow), the CUDA backend (make test-cuda or test-gpu), devices (make test-device)."

test-slow: setup
	$(BIN)/python -m pytest -m "$(NO_DEVICE)" -n 2 $(PYTEST)

# The CUDA backend without a GPU, on the software driver. It needs nvcc; PyCUDA is compiled, once, in some minutes.
test-cuda: setup software-driver
	LD_LIBRARY_PATH=$(abspath $(SOFTWARE_DRIVER)) $(BIN)/python -m pytest -n 2 $(PYTEST) $(ON_CUDA) tests/machines/software_cuda_driver

software-driver: setup
	$(BIN)/python tests/machines/software_cuda_driver/build_software_driver.py --out $(SOFTWARE_DRIVER)

# A device for which there is no compiled backend, without a GPU: memory of the host that torch takes for a device's.
test-device: setup
	DEEPDRR_STAND_IN_DEVICE=1 $(BIN)/python -m pytest $(PYTEST) tests/machines/stand_in_device

# The tests of the CUDA backend on an NVIDIA GPU, with `pip install -e '.[cuda]'` and a torch that has CUDA.
test-gpu: setup
	$(BIN)/python -m pytest $(PYTEST) $(ON_CUDA)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

# The site in out/site, with an API reference from the docstrings; a broken link or a warning is an error.
docs: setup
	$(BIN)/python -m mkdocs build --strict

# What a user does: install into an empty environment, away from the source tree, and run the command; all parts are there.
# Kernels that `setup` compiled are not compiled again, and the CUDA kernels for one of the architectures of a wheel.
install-check: export DEEPDRR_CUDA_ARCHITECTURES ?= 90
install-check:
	rm -rf out/install && $(PYTHON) -m venv out/install
	out/install/bin/python -m pip install --disable-pip-version-check -q -c constraints.txt .
	cd out/install && bin/deepdrr --help > help.txt && bin/deepdrr sample pelvis
	cd out/install && bin/python $(CURDIR)/scripts/check_install.py

# Short versions; peers are compared with where they are installed (benchmarks/requirements.txt).
bench: setup
	for table in versus_nanodrr versus_diffdrr versus_classics scaling memory; do \
		$(BIN)/python benchmarks/$$table.py --short --out out/benchmarks || exit 1; done

# deepdrr, nanodrr's Triton kernel and DiffDRR on an NVIDIA GPU, timed by CUDA events; without one it says so and fails.
bench-gpu: setup
	$(BIN)/python benchmarks/versus_gpu.py --out out/benchmarks

# All of it on a bare GPU machine without a network: build, CUDA tests, benchmarks (scripts/gpu_day/README.md). No setup.
gpu-day:
	bash scripts/gpu_day/run.sh

# What the tests, lint and types need too, and the kernels for all instruction sets unless DEEPDRR_BUILDS names some.
setup: $(VENV)/.development

# What a user needs, and the kernels for this machine's processor.
$(VENV)/.runtime: $(BUILT_FROM)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "deepdrr: installing torch into $(VENV), by far the largest package"
	$(PIP) torch
	@echo "deepdrr: installing the other packages, and compiling the kernels for this machine (about a minute)"
	$(PIP) -e .
	touch $@

$(VENV)/.development: $(BUILT_FROM)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "deepdrr: installing torch into $(VENV), by far the largest package"
	$(PIP) torch
	@echo "deepdrr: installing the developers' packages, and compiling the kernels for all instruction sets (minutes)"
	DEEPDRR_BUILDS=$${DEEPDRR_BUILDS:-all} $(PIP) -e '.[dev]'
	touch $(VENV)/.runtime $@

clean:
	rm -rf $(VENV) build out *.egg-info deepdrr/*.so
