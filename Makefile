.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: help install run test test-fast model traces tail fuzz fault soak lint bench bench-short lock clean

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: $(INSTALLED) ## Install the locked dependencies and palimpsest into .venv

$(INSTALLED): pyproject.toml requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

run: install ## Start the service
	@$(BIN)/palimpsest serve

# Several processes, because much of a test is waiting. Tests that measure a service under load run alone.
PARALLEL := $(BIN)/python -m pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder

test: install ## Run the tests, but for the long forms below
	$(PARALLEL) -m "not slow and not load"
	$(BIN)/python -m pytest -m "load and not slow"

test-fast: install ## The same without browsers, faults and loads: before each commit
	$(PARALLEL) -m "not slow and not load and not fault and not browser"

model: install ## Compare the service with its model for longer than `make test` does (about 4 minutes)
	$(BIN)/python -m pytest tests/e2e/test_model.py --hypothesis-profile=long

traces: install ## Type the recorded sessions in PALIMPSEST_TRACES completely, and measure the cost of an edit
	$(BIN)/python -m tests.support.type_traces

tail: install ## Check for longer that a reader misses no event while writers are slow and connections break (about 5 minutes)
	PALIMPSEST_TAIL_SECONDS=120 $(BIN)/python -m pytest tests/fault/test_no_gap.py

fuzz: install ## Send thousands of generated requests, bodies, tokens and edits to each entry point (about 12 minutes)
	FUZZ_SECONDS=200 FUZZ_EXAMPLES=60 $(BIN)/python -m pytest -s --hypothesis-profile=long \
		tests/fuzz tests/domain/test_text.py

fault: install ## Kill processes repeatedly while drafts are being saved (about 3 minutes)
	CRASH_STEP=1 $(BIN)/python -m pytest -s -m "slow or not slow" tests/fault tests/processes tests/views/test_projector.py

soak: install ## Save drafts for five minutes and check memory, open files and latency
	$(BIN)/python -m pytest -s -m "slow or not slow" tests/load

lint: install ## Check format, rules and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: install ## Run the benchmark of the write path against its peers (about 10 minutes)
	$(BIN)/python -m benchmarks.run

bench-short: install ## Run the benchmark briefly: fails on errors, never on speed (about a minute)
	$(BIN)/python -m benchmarks.run --short

RESOLVE := $(BIN)/python -m uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	--extra analytics --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" pyproject.toml

lock: install ## Resolve the dependencies again into requirements.lock, and those of the image into image.lock
	$(RESOLVE) --group dev --output-file requirements.lock
	$(RESOLVE) --group build --constraint requirements.lock --output-file image.lock

clean: ## Remove what the targets created, but no data of the service
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info
