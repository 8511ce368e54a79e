# Everything runs in .venv, which `make setup` builds from the lower bounds in pyproject.toml.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# What the demo needs: much less than the tests.
DEMO_READY := $(VENV)/.demo-ready

.PHONY: help setup demo lint test test-slow docs format

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY)  ## Build .venv with the package and all that it needs

demo: $(DEMO_READY)  ## Run the pipeline on a sample clip, or on another: VIDEO=path make demo
	$(BIN)/aptv2 demo $${VIDEO:+"$$VIDEO"} --output demo

lint: setup  ## Check style, types and the import rule
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint  ## Check everything and run the tests; the slow ones only where CI=true
	$(BIN)/python -m pytest $(if $(filter true,$(CI)),,-m "not slow")

test-slow: setup  ## Run all tests, the slow ones too
	$(BIN)/python -m pytest

docs: setup  ## Build the pages of docs/ into site/
	$(BIN)/mkdocs build --strict

format: setup  ## Put the code in shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# trackeval asks for opencv-python, which needs libGL and overwrites opencv-python-headless in the
# same folder. Only its segmentation metrics use OpenCV, so it comes without its requirements; what
# its tracking metrics import, the package needs anyway.
$(READY): $(DEMO_READY)
	@echo "Installing what the page, other formats and the tests need: about 2.5 GB more in $(VENV)," \
		"5 to 10 minutes."
	$(BIN)/python -m pip install --editable '.[dev]'
	$(BIN)/python -m pip install --no-deps 'trackeval>=1.3'
	@touch $@

$(DEMO_READY): pyproject.toml Makefile | $(BIN)/pip
	@echo "Installing what finds and tracks animals into $(VENV): about 6 GB on Linux, most of it" \
		"torch's CUDA libraries, and 1 GB elsewhere; 5 to 10 minutes."
	$(BIN)/python -m pip install --editable '.[demo]'
	@touch $@

# Debian and Ubuntu keep ensurepip, which a virtual environment is made with, in its own package.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
		echo "APTv2 needs Python 3.10 or newer: make setup PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
		package=$$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'); \
		admin=$$([ "$$(id -u)" = 0 ] || echo sudo); \
		$$admin apt-get update && $$admin apt-get install --yes "$$package" || { \
			echo "Could not install $$package: ask your administrator for it, then run make again" >&2; \
			exit 1; }; }
	$(PYTHON) -m venv $(VENV)
