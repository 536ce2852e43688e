# `make demo` and `make test` are what most people need; `make docs` and `make dist` are for releases. Each creates .venv and
# installs what it needs.
PYTHON ?= python3
PYTHONS ?= $(PYTHON)
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test fuzz check docs dist install-demo install-test install-docs install-dist clean

demo: install-demo
	$(BIN)/hso demo

# One BLAS thread: the matrices are small, and threads that wait for each other cost more than they bring.
test: install-test check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest

# Minutes: thousands of inputs from a seed that is printed. `make test` tries a few of them, always the same.
fuzz: install-test
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.fuzz

# The site, in build/site. A warning is an error.
docs: install-docs
	rm -rf build/extra build/site
	if $(BIN)/hso explore --help > /dev/null 2>&1; then $(BIN)/hso explore --export build/extra/explorer; fi
	$(BIN)/sphinx-build -W --keep-going --fresh-env --builder html docs build/site
	$(BIN)/python -m scripts.check_site build/site

# The package of the last commit, in dist/: built twice, compared, checked and installed. PYTHONS="python3.10 python3.13" tries more.
dist: install-dist
	$(BIN)/python scripts/release.py --out dist --python $(PYTHONS)

check: install-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

install-demo: $(BIN)/python
	$(PIP) --editable ".[demo]"

install-test: $(BIN)/python
	$(PIP) --editable ".[test]"

install-docs: $(BIN)/python
	$(PIP) --editable ".[docs]"

install-dist: $(BIN)/python
	$(PIP) --editable ".[release]"

clean:
	rm -rf $(VENV) demo build dist src/*.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
