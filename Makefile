# Every target works on a fresh checkout; `make` alone says what there is.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory
# Thousands of tests start the program: without byte code each would compile it first.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
VENV ?= .venv
# How many test processes run at a time: more than there are processors, for many tests wait for a booted host.
WORKERS ?= $(shell echo $$(($$(nproc 2>/dev/null || echo 2) * 2)))
# Those of the harnesses wait for nothing, and start processes of their own.
FAULT_WORKERS ?= $(shell echo $$(($$(nproc 2>/dev/null || echo 2) + 1)))

BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
# -qq: warnings about the machine's own package index settings are not ours to print; errors are still shown.
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
# Thousands of tests write and sync files: in memory that takes a third of the time.
PYTEST := TMPDIR=$(shell [ -w /dev/shm ] && echo /dev/shm || echo /tmp) $(BIN)/python -m pytest

.PHONY: help
help: ## Say what there is
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

# ------------------------------------------------------------------------------------------------ set-up

.PHONY: venv
venv: $(STAMP) ## Set up .venv from the hashed lock (PYTHON=python3.12 for another interpreter)

$(STAMP): requirements-dev.lock pyproject.toml
	@bash tools/set-up-venv "$(PYTHON)" "$(VENV)"
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: clean
clean: ## Remove the set-up, caches and build results
	rm -rf $(VENV) .venv-lock build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

# ------------------------------------------------------------------------------------------------ see it work

.PHONY: demo
demo: venv ## See it work on a throw-away tree: no root, no systemd
	@PATH="$(abspath $(BIN)):$$PATH" bash examples/demo.sh

.PHONY: demo-host
demo-host: venv ## The same story on a Debian booted for the purpose (root)
	@$(BIN)/python -m tests.booted.boot_shell --copy examples:/root/examples -- bash /root/examples/demo-host.sh

# ------------------------------------------------------------------------------------------------ prove it

.PHONY: test
test: check ## Set up, check, run every test that this machine can run, and say what was left out
	@$(BIN)/python -m tests.booted
	@$(PYTEST) -n $(WORKERS) --dist worksteal

.PHONY: test-fast
test-fast: venv ## The tests that need no booted host and no patience, in under a minute
	@$(PYTEST) -n 2 --dist worksteal -q -m "not booted and not slow"

LONG := tests/faults tests/state/test_crash.py tests/state/test_damage.py tests/sequences tests/cli/test_one_at_a_time.py \
	tests/test_cases.py tests/test_rollback_cases.py \
	tests/jobs/test_remote.py tests/booted/test_audit.py tests/jobs/test_chain_histories.py tests/booted/test_sequences.py tests/booted/test_half_made_accounts.py \
	tests/booted/test_backup_far_host.py

.PHONY: test-faults
test-faults: venv ## The full form of every harness (crashes, errors, power cuts, damage, mutants), in under 45 minutes; root
	@RECONCILER_FAULTS=1 $(PYTEST) -n $(FAULT_WORKERS) --dist worksteal -p no:cacheprovider --timeout 3600 $(LONG) \
		-k "not test_cases.py and not test_rollback_cases.py or crash or kill or failure"
	@$(BIN)/python -m tests.faults.report --show

.PHONY: test-cases
test-cases: venv ## All cases, bad values and booted kills, where `make test` takes some (root)
	@RECONCILER_FAULTS=1 RECONCILER_MOMENTS=all $(PYTEST) -n $(FAULT_WORKERS) --dist worksteal \
		tests/test_cases.py tests/test_rollback_cases.py tests/test_snapshots.py \
		tests/booted/test_cases.py tests/booted/test_lockout.py tests/booted/test_other_doors.py \
		tests/booted/test_gates.py tests/booted/test_people_mixes.py tests/booted/test_backup_clock.py tests/cli/test_bad_values.py \
		tests/booted/test_spine.py::test_a_kill_anywhere_is_made_good tests/booted/test_rollback.py::test_a_killed_rollback_is_finished

.PHONY: test-debians
test-debians: venv ## The tests that are there for both Debians, on both, where `make test` takes one for each (root)
	@RECONCILER_DEBIANS=both $(PYTEST) -n $(WORKERS) --dist worksteal tests/booted -k "bookworm or trixie or debian_13"

OF_A_KIND := tests/test_cases.py tests/test_rollback_cases.py tests/test_snapshots.py tests/test_examples.py tests/kinds \
	tests/cli/test_bad_values.py tests/cli/test_prune_brake.py tests/booted/test_cases.py

.PHONY: test-kind
test-kind: check ## All that judges one kind, in every respect: KIND=users
	@RECONCILER_FAULTS=1 RECONCILER_MOMENTS=all $(PYTEST) -n $(WORKERS) --dist worksteal $(OF_A_KIND) \
		-k "$(or $(KIND),$(error say which: make test-kind KIND=users)) or every_kind or discovery"

.PHONY: check
check: venv ## Format, lint, types, layers, generated files
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy --no-error-summary
	$(BIN)/lint-imports
	$(BIN)/python -m tools.generate --check

.PHONY: fmt
fmt: venv ## Format and mend what can be mended
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format --quiet .

.PHONY: bench
bench: venv ## Measure, and write docs/benchmarks.md (root for the booted parts); PARTS="offline people backups booted fleet audit" chooses
	@$(BIN)/python -m tests.bench $(PARTS) --out docs/benchmarks.md

# ------------------------------------------------------------------------------------------------ make things

.PHONY: schema
schema: venv ## Generate the files that are generated (schemas, reference pages)
	$(BIN)/python -m tools.generate

.PHONY: wheel
wheel: venv ## Build the wheel into dist/
	$(BIN)/python -m hatchling build -t wheel -d dist

# pip-tools has a place of its own: its needs (pip, setuptools) do not belong into the lock.
LOCK := .venv-lock/bin/pip-compile --quiet --no-header --generate-hashes --strip-extras \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --constraint requirements.in

.PHONY: lock
lock: ## Renew the two lock files
	@bash tools/set-up-venv "$(PYTHON)" .venv-lock
	@.venv-lock/bin/python -m pip --disable-pip-version-check -qq install pip-tools==7.6.2
	$(LOCK) --upgrade --output-file requirements.lock pyproject.toml
	$(LOCK) --upgrade --extra dev --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml
