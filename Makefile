# The words of this project; `make help` prints them.
PYTHON ?= python3
BIN := .venv/bin
WEB := src/zscape/studio/web
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: help demo install check fast test web docs clean
.DEFAULT_GOAL := help

## demo     install, train on 5,000 handwritten digits, and say what to look at
demo: .venv/demo
	rm -rf demo-study
	$(BIN)/zscape train mnist5k --out demo-study --latent 8 --epochs 30

## install  make the virtual environment with everything that work on zscape needs
install: .venv/dev

## check    lint and types
check: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

## fast     the tests that are not slow (about 3 minutes on two cores)
fast: .venv/dev
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n 2 -m "not slow"

## test     all tests (about 10 minutes on two cores)
test: .venv/dev
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n 2

## web      build the studio's page (needs Node 20 or newer; an installed zscape has it built)
web:
	cd $(WEB) && npm ci --no-audit --no-fund && npm run build

## docs     build the site into site/
docs: .venv/dev
	$(BIN)/mkdocs build --strict --quiet

## clean    remove what the words above made
clean:
	rm -rf .venv demo-study site build dist $(WEB)/node_modules src/zscape/studio/static .pytest_cache .mypy_cache .ruff_cache .hypothesis

## help     this list
help:
	@sed -n 's/^## /  make /p' $(MAKEFILE_LIST)

.venv/bin/pip:
	$(PYTHON) -m venv .venv

.venv/demo: .venv/bin/pip pyproject.toml constraints.txt
	$(BIN)/pip install -q -c constraints.txt -e ".[demo]"
	@touch $@

.venv/dev: .venv/bin/pip pyproject.toml constraints.txt
	$(BIN)/pip install -q -c constraints.txt -e ".[dev]"
	@touch $@ .venv/demo
