# One word per job. `make setup` builds the environment that all others use.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
BENTO_HOME ?= $(CURDIR)/build/bentoml

# Settings of the installer, for instance another index: make setup PIP_ARGS="--index-url URL"
PIP_ARGS ?=

export BENTOML_DO_NOT_TRACK := True
export HF_HUB_OFFLINE := 1

.PHONY: setup demo serve test test-kernels lint format types openapi bento clean

setup: $(STAMP)

$(STAMP): pyproject.toml clients/python/pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check $(PIP_ARGS) \
	    -c constraints.txt -e clients/python -e ".[dev]"
	@touch $(STAMP)

demo: setup
	$(BIN)/critic demo

serve: setup
	$(BIN)/critic serve

test: setup
	$(BIN)/python -m pytest

# Triton weighs a gigabyte, so that only this target installs it.
test-kernels: setup
	$(BIN)/pip install --quiet --disable-pip-version-check $(PIP_ARGS) \
	    -c constraints.txt -e ".[kernels]"
	$(BIN)/python -m pytest tests/kernels tests/models/engine tests/models/vlm

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: setup
	$(BIN)/mypy

openapi: setup
	$(BIN)/python -m critic_service.openapi > docs/openapi.json

bento: setup
	rm -rf dist
	$(BIN)/python -m build --wheel --no-isolation --outdir dist .
	mkdir -p $(BENTO_HOME)
	BENTOML_HOME=$(BENTO_HOME) $(BIN)/bentoml build

clean:
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
