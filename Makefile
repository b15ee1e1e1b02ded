# Every target does its own set-up; a second call rebuilds nothing that did not change.
.DEFAULT_GOAL := help
SHELL := /bin/sh
VENV  := .venv
BIN   := $(VENV)/bin
READY := $(VENV)/.ready
ARGS  ?=
ROWS  := build/coverage-rows.json
PROTOCOL := conformance/crypto/*,conformance/ikev1/*,conformance/ipsec/*

export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
# Compiled tests are kept, whatever the shell says: every run after the first begins ten seconds sooner.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup system matrix data-plane test unit lab-test coverage ikev1-coverage bench check format schema lock up down status doctor clean

help: ## this list
	@grep -hE '^[a-z0-9 -]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

matrix: system ## build the lab if need be, run the interop matrix, publish results/latest/index.html
	$(BIN)/ipsec-conformance matrix $(ARGS)

data-plane: system ## every transform of ESP and AH against the lab's kernel, both ways
	$(BIN)/ipsec-conformance data-plane $(ARGS)

test: unit lab-test ## self-tests without a lab, then the lab tests

unit: $(READY) ## self-tests alone: no lab, no root, a minute or two
	$(BIN)/pytest -m "not lab" -n auto $(ARGS)

coverage: $(READY) ## the self-tests again, measuring: branches of the protocol may not fall below 95 %
	$(BIN)/pytest -m "not lab" -n auto --quiet --cov --cov-report=
	$(BIN)/coverage report --include='$(PROTOCOL)' --fail-under=95

ikev1-coverage: system ## run every test, then write docs/ikev1-coverage.md of what they proved
	rm -f $(ROWS)
	-$(BIN)/pytest --quiet --coverage-rows $(ROWS) $(ARGS)
	$(BIN)/python -m tests.coverage $(ROWS)

lab-test: system ## the tests that need real peers
	$(BIN)/pytest -m lab $(ARGS)

bench: $(READY) ## measure, as ratios in one run: against the bare primitives and against scapy; a million hostile packets
	$(BIN)/python tests/benchmarks $(ARGS)

check: $(READY) ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY) ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

up down status doctor: system ## the lab: bring it up, take it down, what stands, what is missing
	$(BIN)/ipsec-conformance lab $@

setup: $(READY) ## the virtual environment alone
system: $(READY)
	@$(BIN)/ipsec-conformance lab setup

$(READY): pyproject.toml constraints.txt .ci/venv
	@sh .ci/venv $(VENV)
	@touch $@

schema: $(READY) ## write peers/peer.schema.json anew, from the structures that read manifests
	$(BIN)/python -m conformance.matrix.schema > .schema.tmp && mv .schema.tmp peers/peer.schema.json

lock: $(READY) ## renew constraints.txt from pyproject.toml
	$(BIN)/pip install -q uv
	echo 'hatchling>=1.27' | $(BIN)/uv pip compile pyproject.toml - --all-extras --universal \
	    --python-version 3.11 --upgrade --no-emit-index-url --no-emit-find-links \
	    --no-annotate --no-header -o constraints.txt

clean: ## remove the virtual environment and build leftovers (not results, not the lab's cache)
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage
