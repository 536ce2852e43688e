# Two commands: `make demo` and `make test`. Both create .venv and install what they need.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test fuzz check install-demo install-test clean

demo: install-demo
	$(BIN)/hso demo

# One BLAS thread: the matrices are small, and threads that wait for each other cost more than they bring.
test: install-test check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest

# Minutes: thousands of inputs from a seed that is printed. `make test` tries a few of them, always the same.
fuzz: install-test
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.fuzz

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

clean:
	rm -rf $(VENV) demo build dist src/*.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
