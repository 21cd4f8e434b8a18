# Every target sets up what it needs: a virtual environment in .venv with the development tools, and
# a release build of the engine in it. Only Python >= 3.10 and a Rust toolchain have to be there.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TOOLS := $(VENV)/.tools
BUILT := $(VENV)/.built
SOURCES := $(shell find engine/src -name '*.rs') engine/Cargo.toml engine/Cargo.lock pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help demo test build check format bench fuzz clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

demo: $(BUILT) ## real backends, server and live answers on loopback, with the dig lines to try
	@$(BIN)/dnslb demo

test: $(BUILT) ## the engine's tests, then everything else with real servers on loopback
	cd engine && cargo test --quiet --locked
	$(BIN)/python engine/fuzz/run.py --optional --seconds 25
	$(BIN)/pytest

build: $(BUILT) ## a release build, so that .venv/bin/dnslb works

check: $(BUILT) ## lint and types, in Python and in Rust; instructions per query
	$(BIN)/ruff check --no-cache .
	$(BIN)/ruff format --no-cache --check .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest dnslb._engine --mypy-config-file pyproject.toml
	cd engine && cargo fmt --check
	cd engine && cargo clippy --quiet --locked --all-targets --features python -- -D warnings
	cd engine/fuzz && cargo fmt --check
	cd engine/fuzz && cargo clippy --quiet --locked --bins -- -D warnings
	$(BIN)/python bench/instructions.py --quiet

format: $(TOOLS) ## put every file into its canonical form
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format --quiet .
	cd engine && cargo fmt
	cd engine/fuzz && cargo fmt

bench: $(BUILT) ## measure beside other servers; or PARTS="weighted static", ROUNDS=5, SECONDS=3
	cd engine && cargo build --quiet --locked --release --example echo --example asking --example cost
	$(BIN)/python bench/run.py $(PARTS) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SECONDS),--seconds $(SECONDS))

fuzz: $(TOOLS) ## the engine, until you stop it; or SECONDS=3600, TARGET=respond
	$(BIN)/python engine/fuzz/run.py --seconds $(or $(SECONDS),0) $(TARGET)

clean: ## remove what the other targets made
	rm -rf $(VENV) engine/target engine/fuzz/target dnslb/_engine*.so

$(TOOLS): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo 'dnslb needs Python 3.10 or later; name one with: make PYTHON=python3.x' >&2; exit 1; }
	@command -v cargo >/dev/null || \
		{ echo 'dnslb needs a Rust toolchain (cargo): https://rustup.rs, or your system'"'"'s packages' >&2; exit 1; }
	@echo 'Installing the development tools into $(VENV) ...'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/pip install --quiet --disable-pip-version-check --group dev
	@touch $@

$(BUILT): $(TOOLS) $(SOURCES)
	@echo 'Building the engine and installing dnslb into $(VENV) (a minute or two the first time) ...'
	@$(BIN)/maturin develop --quiet --release --locked --extras http3 >$(VENV)/build.log 2>&1 || \
		{ cat $(VENV)/build.log >&2; exit 1; }
	@touch $@
