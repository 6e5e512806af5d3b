# Every target works on a machine that has Python 3.11 or newer and make; `.venv` is made on first use.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
DEMO_HOME ?= $(CURDIR)/.demo
# Tests that start processes wait for them, so one more than there are processors.
WORKERS ?= 3
CORES ?= 2

.PHONY: demo test-fast test prove ui lint bench bench-peers lock clean

demo: .venv/ready ## the whole pipeline on a year of real receipts, into .demo
	$(BIN)/segment-pipeline demo --home $(DEMO_HOME)

ui: .venv/ready ## Dagster on the demo's lake
	$(BIN)/segment-pipeline ui --home $(DEMO_HOME)

test-fast: .venv/ready ## without Java, Dagster, browsers, database servers, and what starts or kills processes or takes long
	$(BIN)/python -m pytest -m fast -n $(CORES) --dist load

test: .venv/ready ## everything
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

prove: .venv/ready ## the large counts, hours of them; SUITE="crashes compiler" for some, run again to go on
	$(BIN)/python -m segment_pipeline_tests.prove $(or $(SUITE),--all)

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/ready
	$(BIN)/python -m segment_pipeline_tests.benchmarks

PEERS := span splink drt

bench-peers: .venv/ready $(PEERS:%=.peers/%/ready) ## against what one would pick instead
	$(BIN)/python -m segment_pipeline_tests.benchmarks.peers

# Peers contradict each other's requirements, and must not become ours: an environment for each.
.peers/%/ready: segment_pipeline_tests/benchmarks/peers/%/requirements.txt
	test -x .peers/$*/bin/python || $(PYTHON) -m venv .peers/$*
	.peers/$*/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

lock: ## write requirements.lock anew from pyproject.toml; needs uv
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes --no-header \
		--no-annotate --no-emit-index-url --no-emit-find-links --no-strip-extras --quiet --output-file requirements.lock

.venv/ready: requirements.lock pyproject.toml segment_pipeline_tests/datasets.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; set PYTHON=python3.12 or the like") if sys.version_info < (3, 11) else None'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) has no venv module: install it (Debian: apt-get install python3-venv)"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r segment_pipeline_tests/datasets.txt
	@touch $@

clean:
	rm -rf .venv .peers .demo .bench .prove
