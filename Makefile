# Every task of this repository, self-documented: `make help`.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
SETUP_STAMP := $(VENV)/.setup-stamp
WEB_STAMP := node_modules/.setup-stamp

.PHONY: help setup up demo test check fmt bench build lock schema clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  \033[1m%-12s\033[0m %s\n", $$1, $$2}'

setup: $(SETUP_STAMP) $(WEB_STAMP) ## Create the virtual environment and install locked packages

$(SETUP_STAMP): requirements/dev.txt requirements/uv.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed, this is " + sys.version)'
	@echo "› virtual environment and locked Python packages"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

$(WEB_STAMP): package.json package-lock.json
	@echo "› npm packages"
	@npm ci --silent --no-audit --no-fund --ignore-scripts
	@touch $@

lock: ## Resolve requirements/*.in again into hashed requirements/*.txt
	@cd requirements && for set in uv deps wasmtime dev; do \
	  ../$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock" $$set.in -o $$set.txt || exit 1; done
