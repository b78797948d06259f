# Thin targets; `make check` and `make test` are what CI runs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# What `make coverage` runs: options of pytest.
TESTS ?= -m "not slow"
LOCK = --quiet --universal --python-version 3.11 --generate-hashes --no-header $(UPGRADE)

.PHONY: install demo test test-fast check fmt coverage dist lock cluster oracle clean

install: $(VENV)/.installed

$(VENV)/.installed: requirements.lock pyproject.toml MANIFEST.in extender/__init__.py $(wildcard _fastfit/*.py _fastfit/*.pyx _fastfit/*.pxd) tools/check_tools.py
	@$(PYTHON) tools/check_tools.py
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

demo: install
	@$(BIN)/fastfit demo

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest

# The loop of every day: no Go, no control plane, nothing that takes long.
test-fast: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -q -m "not slow"

check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest _fastfit._fit _fastfit._table _fastfit._wire
	$(BIN)/python tools/generate_constants.py --check
	$(BIN)/lint-imports
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/cython-lint --max-line-length 120 _fastfit

fmt: $(VENV)/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Line coverage of Python and of the compiled kernel, which is built with line tracing in a copy of the tree.
coverage: $(VENV)/.installed-dev
	$(BIN)/python tools/measure_coverage.py -- $(TESTS)

# The source distribution, and from it the wheel; built with the tools of the lock files.
dist: $(VENV)/.installed-dev
	rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist .

# The real control plane of the tests; needs Go.
cluster: $(VENV)/.installed-dev
	$(BIN)/python -m tests.kit.cluster.build

# Pins stay as they are; `make lock UPGRADE=--upgrade` renews all, `UPGRADE="--upgrade-package NAME"` one.
lock: $(VENV)/.installed-dev
	$(BIN)/uv pip compile $(LOCK) --group build pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile $(LOCK) --group dev -c requirements.lock pyproject.toml -o requirements-dev.lock

# The real kubelet managers and the real KubeVirt launcher code as judges of scenarios; needs Go.
oracle: $(VENV)/.installed-dev
	$(BIN)/python -m tests.kit.oracle.kubelet.build
	$(BIN)/python -m tests.kit.oracle.kubevirt.build

# All that git ignores and that these targets and the tools make.
clean:
	rm -rf $(VENV) .cache build dist *.egg-info _fastfit/*.c _fastfit/*.html _fastfit/*.so .coverage .coverage.* htmlcov
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
