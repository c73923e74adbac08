# Everything runs in .venv, which is made from the locked, hashed dependencies. Needs Python 3.11 and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DATA   ?= data
PORT   ?= 7070

.DEFAULT_GOAL := help
.PHONY: help setup serve demo test test-long lint fuzz bench docs clean

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/.ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# awswrangler, dbt-athena, s3fs and their like, unmodified, in an environment of their own: they pin an older botocore.
CLIENTS := .venv-clients
$(CLIENTS)/.ready: tests/clients/requirements.lock
	$(PYTHON) -m venv $(CLIENTS)
	$(CLIENTS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

setup: $(VENV)/.ready ## Make the virtual environment

serve: setup ## Serve DATA (default: data) on PORT (default: 7070), making it first where it is new
	@test -e $(DATA)/config.json || $(BIN)/lakewarden init --data $(DATA)
	$(BIN)/lakewarden serve --data $(DATA) --port $(PORT)

demo: setup ## Run the walkthrough: two scientists, one notebook, different columns (REVIEWS=file.csv, JSON=1)
	$(BIN)/lakewarden demo $(if $(REVIEWS),--file '$(REVIEWS)') $(if $(JSON),--json)

lint: setup ## Formatting, lint, types, import directions
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint $(CLIENTS)/.ready ## Lint and every test of the default suite
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -m 'not long' -n auto --dist loadfile
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --skip-covered --fail-under=$(COVERAGE)

COVERAGE := 85

test-long: setup $(CLIENTS)/.ready ## The nightly forms too
	$(BIN)/pytest --hypothesis-profile=random

fuzz: setup ## Hostile bytes and statements, for longer
	$(BIN)/pytest --hypothesis-profile=random -m long tests

$(VENV)/.bench: $(VENV)/.ready bench/requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r bench/requirements.lock
	@touch $@

bench: $(VENV)/.bench ## Measure, beside peers, and print one table
	$(BIN)/python -m bench

docs: setup ## Write docs/reference.md from the code
	$(BIN)/python docs/make_reference.py

clean: ## Remove the virtual environment and caches
	rm -rf $(VENV) $(CLIENTS) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
