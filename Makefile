# Every task of this repository; `make help` lists them from their comments.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
# Only `make up PORT=…` changes it: a PORT in the shell is mostly meant for another program.
PORT := 8700
STAGE := dev
PROBE := samples.dev.alga.hello
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
SETUP_STAMP := $(VENV)/.setup-stamp
WEB_STAMP := node_modules/.setup-stamp

.PHONY: help setup up demo test coverage check fmt browser fuzz soak kills flood mounts scrape contract-fuzz mutants long bench build cost monitoring slo-report smoke synth sam lock schema clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  \033[1m%-12s\033[0m %s\n", $$1, $$2}'

setup: $(SETUP_STAMP) $(WEB_STAMP) ## Create the virtual environment and install the locked packages

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

lock: ## Resolve every requirements.in and requirements/*.in into a list with hashes
	@set -e; for list in requirements/uv layers/{deps,aws,wasmtime}/requirements requirements/{dev,sam}; do \
	  (cd $$(dirname $$list) && $(CURDIR)/$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	    --custom-compile-command "make lock" $$(basename $$list).in -o $$(basename $$list).txt); done

check: setup ## Check format, lint, types and import contracts
	@ruff format --check --quiet . || { echo "run 'make fmt'"; exit 1; }
	@ruff check --quiet .
	@mypy
	@mkdir -p .build
	@lint-imports --no-cache > .build/import-linter.log 2>&1 || { cat .build/import-linter.log; exit 1; }
	@npm run --silent check

fmt: setup ## Format, and fix what can be fixed automatically
	@ruff check --quiet --fix . ; ruff format --quiet .
	@npm run --silent fmt

schema: setup ## Write the generated files: manifest schema, OpenAPI document, message schema, database schema
	@python -m tools.references
	@npm run --silent schema
	@python -m tools.schema_dump

up: setup ## Start the platform with the sample extensions; PORT is the API's port (default 8700)
	@alga-ext dev --port $(PORT)

demo: setup ## Run every step from build to call as a transcript that checks itself
	@python -m tools.demo

test: setup ## Run all tests except those of soak, kills and flood; in a browser, those of a hundred mounts only
	@npm test --silent
	@python -m pytest -q -n 2 --dist loadfile -m "not soak and not kills and not flood and not scrape" --ignore tests/browser
	@python -m pytest -q -m "not mounts" tests/browser/frame/test_mounts.py

coverage: setup ## Run the tests and report which code of functions/ and layers/ they miss; write .build/coverage/
	@python -m tests.coverage

browser: setup ## Test pages and samples in real browsers (needs chromium, or CHROMIUM=path; firefox-esr and WebKit if installed)
	@python -m pytest -q tests/browser --ignore tests/browser/frame/test_mounts.py

mounts: setup ## Test that a thousand mounts of an extension in a browser leak nothing
	@python -m pytest -q -m mounts tests/browser

fuzz: setup ## Fuzz every parser of untrusted input; FUZZ_SECONDS for each (default 60)
	@FUZZ_SECONDS=$${FUZZ_SECONDS:-60} python -m pytest -q tests/fuzz

soak: setup ## Test that ten thousand good and hostile calls leak nothing
	@python -m pytest -q -m soak tests/security

kills: setup ## Kill publications, gateways, runners, sandboxes, deliveries and ticks at each step: nothing is torn, lost or counted twice
	@python -m pytest -q -n 2 --dist load -m kills tests/registry tests/contract tests/integration

flood: setup ## Test that a tenant that floods the platform for a minute costs the others nothing
	@python -m pytest -q -s -m flood tests/integration

scrape: setup ## Test that Prometheus scrapes the registry (needs prometheus on the PATH, as in Debian's package)
	@python -m pytest -q -m scrape tests/registry

contract-fuzz: setup ## Send 50 times as many requests made from the OpenAPI documents as make test does; CONTRACT_FUZZ for another factor
	@CONTRACT_FUZZ=$${CONTRACT_FUZZ:-50} python -m pytest -q tests/integration/test_documented_answers.py

mutants: setup ## Break the modules that decide, one guard at a time: a test must fail; MODULES for some of them
	@python -m tests.mutants $(MODULES)

long: export FUZZ_SECONDS ?= 600
long: setup ## Run what takes longer than an hour: soak, kills, flood, mounts, scrape, contract-fuzz, mutants, then fuzz with FUZZ_SECONDS=600
	@status=0; for task in "soak" "kills" "flood" "mounts" "scrape" "contract-fuzz" "mutants" "fuzz FUZZ_SECONDS=$$FUZZ_SECONDS"; do \
	  echo "› make $$task, from $$(date +%H:%M)"; started=$$SECONDS; \
	  $(MAKE) --no-print-directory $$task || status=1; \
	  echo "› make $$task took $$((SECONDS - started)) s"; done; exit $$status

bench: setup ## Measure speed; print tables and write .build/bench/
	@python -m tests.bench

build: setup ## Build web packages, sample extensions, and dist/: the functions and layers for Lambda
	@npm run --silent build
	@python -m tools.guests samples/*
	@python -m tools.assets

synth: export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 20
synth: setup ## Write the CloudFormation template of a stage into cdk.out/, checked; STAGE is dev, staging or prod
	@STAGE=$(STAGE) python -m infra.app
	@echo "cdk.out/alga-ext-$(STAGE).template.json"

cost: setup ## Print what a deployment costs, from list prices and measured times
	@python -m tools.cost

monitoring: setup ## Write Prometheus' alert rules and Grafana's dashboard from monitoring/slo.toml
	@python -m tools.monitoring write

slo-report: setup ## Compare a platform with monitoring/slo.toml: BASE_URL, ALGA_TOKEN with the role metrics:read; SINCE and SAVE name scrapes
	@python -m tools.monitoring report $(if $(BASE_URL),--url $(BASE_URL)) $(if $(SINCE),--since $(SINCE)) $(if $(SAVE),--save $(SAVE))

smoke: setup ## Check a deployed platform: BASE_URL, ALGA_TOKEN of a tenant that has the sample hello-js installed
	@alga-ext smoke $(PROBE) --url $(BASE_URL)

SAM := .build/sam
$(SAM)/.stamp: requirements/sam.txt | $(SETUP_STAMP)
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(SAM)
	@$(BIN)/uv pip install --quiet --python $(SAM)/bin/python --require-hashes -r requirements/sam.txt
	@touch $@

sam: export SAM_CLI_TELEMETRY := 0
sam: synth $(SAM)/.stamp ## Validate and lint the template of a stage with AWS SAM
	@$(SAM)/bin/sam validate --lint --region eu-central-1 --template cdk.out/alga-ext-$(STAGE).template.json

clean: ## Remove the local platform's state and built output (not the installed packages)
	@rm -rf .build .local dist dist.new
