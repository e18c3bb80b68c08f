# Everything a contributor runs. Needs Python 3.11 or newer and make; the rest it fetches itself.
#
#   make                     list the targets
#   make PYTHON=python3.12 … build the environment with another Python (after `make clean`)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:               # two pips in one environment break it
.PHONY: help setup demo test check soak differential fmt bench bench-peers docs pins clean

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

# constraints.txt through the environment reaches the build backend's own environment too.
PIP = PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip --disable-pip-version-check
# Nobody imports most of what is installed: bytecode is made of what every backtest needs, and of
# the rest on first use.
INSTALL = $(PIP) install --quiet --no-compile
WARM    = $(BIN)/python -c 'import evenkeel.app.cli.commands, evenkeel.app.cli.backtested'
# And kept, whatever the shell says: without it each of the processes that tests start compiles all.
export PYTHONDONTWRITEBYTECODE :=

# The rooms where a wrong line loses money: every branch is tested.
EXACT := src/evenkeel/domain/*,src/evenkeel/risk/*,src/evenkeel/ledger/*,src/evenkeel/engine/*,src/evenkeel/journal/*,src/evenkeel/storage/*,src/evenkeel/ops/*,src/evenkeel/calendar/*

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.dev ## Make the environment in .venv with everything a contributor needs

demo: $(VENV)/.demo ## Run a backtest on bundled prices: no keys, no network, no server
	$(BIN)/evenkeel demo --no-serve

test: check ## Run `make check`, then every other test, and hold the coverage
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest --numprocesses auto --deselect tests/test_tidy.py
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --fail-under=90
	$(BIN)/coverage report --fail-under=100 --include='$(EXACT)'

check: $(VENV)/.dev ## Format, lint, types, layers, house rules: what must hold before a commit
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest --quiet tests/test_tidy.py

differential: $(VENV)/.dev ## Play 2,000 random order programs against the slow reference venue
	EVENKEEL_DIFFERENTIAL=2000 $(BIN)/python -m pytest --quiet --numprocesses auto \
	    tests/execution/test_differential.py tests/engine/test_order_programs.py

soak: $(VENV)/.dev ## Run at full length what `make test` runs in short: nonces, kills, crowds of writers
	EVENKEEL_SOAK=1 $(BIN)/python -m pytest --quiet tests/ops/vault/test_cipher.py
	EVENKEEL_KILLS=100 $(BIN)/python -m pytest --quiet tests/market/test_shelf.py -k kill_9
	EVENKEEL_SOAK_ROTATIONS=500 EVENKEEL_SOAK_COMMANDS=30 \
	    $(BIN)/python -m pytest --quiet tests/ops/vault/test_soak.py
	EVENKEEL_SOAK_SECONDS=30 EVENKEEL_SOAK_SHOTS=200 \
	    $(BIN)/python -m pytest --quiet tests/journal/test_soak.py

fmt: $(VENV)/.dev ## Format the code and mend what the linter can mend
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

bench: $(VENV)/.dev ## Measure the numbers of docs/benchmarks.md on this computer
	$(BIN)/python -m benchmarks

bench-peers: $(VENV)/.dev ## Measure other engines beside it, each in its own environment
	$(BIN)/python -m benchmarks.peers

docs: $(VENV)/.dev ## Draw the pictures of the documentation again
	$(BIN)/python docs/render.py

pins: ## Choose new versions of every dependency and write constraints.txt
	$(MAKE) --no-print-directory VENV=.venv-pins .venv-pins/.made
	.venv-pins/bin/python -m pip --disable-pip-version-check install --quiet --no-compile \
	    --editable '.[dev,all]' hatchling editables
	{ echo '# Every dependency, direct and indirect, of every extra and of the build.'; \
	  echo '# Made by `make pins`; do not edit. Review the licences of what is new.'; \
	  .venv-pins/bin/python -m pip freeze --exclude-editable; } > constraints.new
	mv constraints.new constraints.txt
	rm -rf .venv-pins

clean: ## Remove all that make made: the environment, caches, coverage, builds
	rm -rf $(VENV) .venv-pins .venv-peers constraints.new build dist htmlcov .coverage .coverage.* \
	    .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests benchmarks docs -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# ---- the environment: a stamp per set of extras, so that a second call is instant ----

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo 'Evenkeel needs Python 3.11 or newer: `$(PYTHON)` is older or missing; name another with `make PYTHON=python3.12 …`.' >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) || { \
	    echo 'Python could not make an environment: install its venv package (on Debian and Ubuntu: python3-venv).' >&2; exit 1; }
	@touch $@

$(VENV)/.demo: pyproject.toml constraints.txt | $(VENV)/.made
	@echo 'Installing into $(VENV) …'
	@$(INSTALL) --constraint constraints.txt --editable '.[demo]'
	@$(WARM)
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/.made
	@echo 'Installing into $(VENV) …'
	@$(INSTALL) --constraint constraints.txt --editable '.[dev,all]'
	@$(WARM)
	@touch $@ $(VENV)/.demo
