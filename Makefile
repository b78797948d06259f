# Thin targets; `make check` and `make test` are what CI runs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: install demo test check fmt lock cluster oracle clean

install: $(VENV)/.installed

$(VENV)/.installed: requirements.lock pyproject.toml $(wildcard _fastfit/*.py _fastfit/*.pyx _fastfit/*.pxd) tools/check_tools.py
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

check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/cython-lint --max-line-length 120 _fastfit

fmt: $(VENV)/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The real control plane of the tests; needs Go.
cluster: $(VENV)/.installed-dev
	$(BIN)/python -m tests.kit.cluster.build

lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --group build pyproject.toml -o requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --group dev -c requirements.lock pyproject.toml -o requirements-dev.lock

# The real kubelet managers and the real KubeVirt launcher code as judges of scenarios; needs Go.
oracle: $(VENV)/.installed-dev
	$(BIN)/python -m tests.kit.oracle.kubelet.build
	$(BIN)/python -m tests.kit.oracle.kubevirt.build

clean:
	rm -rf $(VENV) .cache build dist *.egg-info _fastfit/*.c _fastfit/*.so
