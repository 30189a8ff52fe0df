# `make demo` and `make test` work on a fresh machine: each sets up .venv first if it is missing.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help install demo test test-slow check docs bench clean

help:
	@echo "make install   set up $(VENV) with sfc and the development tools"
	@echo "make demo      propagate the bundled sample's first mask by both protocols, print the scores"
	@echo "make test      run the tests"
	@echo "make test-slow run what takes longer: browsers, encoders, killed processes"
	@echo "make check     format check, lint and type check"
	@echo "make docs      build the pages as a site in site/, every link checked"
	@echo "make bench     run every benchmark (minutes to hours)"

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

install: $(VENV)/.installed

demo: install
	$(BIN)/sfc propagate --data sample --output results/demo --overlay --overwrite
	$(BIN)/sfc propagate --data sample --output results/demo-published --overlay --overwrite --protocol published
	$(BIN)/sfc evaluate davis --data sample --results results/demo --compare results/demo-published
	@echo "Overlays: results/demo/overlay"

test: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile -m "not slow"

test-slow: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile -m slow

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: install
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

clean:
	rm -rf $(VENV) site .pytest_cache .mypy_cache .ruff_cache
