# make demo    two contact points exchange queries, from beginning to end
# make test    every fast test
# make check   lint, types, layers
# make lock    resolve requirements/*.in again into requirements/*.lock
# make fuzz    100,000 damaged files of every format, then fuzzing guided by coverage: about ten minutes on two cores
# make mutation    mutants of annex/ and pcsc/ that the tests must notice: some minutes on two cores
# make peers    other programs that benchmarks compare with
# make production    what PostgreSQL and tokens need on top of the runtime
# make console    what the console, exports as Parquet and documents need on top of the runtime
# make telemetry     what traces for a collector need on top of the runtime
# Each makes .venv by itself; all it needs is Python 3.11 or newer, make and a C library.

PYTHON ?= python3
PRINTS ?=
PERSONS ?= 1000
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --progress-bar off --require-hashes --only-binary :all:

.DEFAULT_GOAL := help
.PHONY: help demo test check lock fuzz mutation peers production telemetry console clean

help:
	@sed -n 's/^# //p' Makefile

demo: $(VENV)/.kernels
	$(BIN)/pcsc demo --persons $(PERSONS) $(if $(PRINTS),--prints $(PRINTS))

test: $(VENV)/.test $(VENV)/.kernels
	$(BIN)/python -m pytest

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/treaty.py --check
	$(BIN)/python docs/openapi.py --check

lock: $(VENV)/.test
	@set -e; for name in build runtime production telemetry console test mutation fuzz peers; do \
	  $(BIN)/uv pip compile --quiet --universal --upgrade --generate-hashes --no-emit-index-url --no-emit-find-links \
	    --no-header --python-version 3.11 requirements/$$name.in --output-file requirements/$$name.lock; \
	  echo "requirements/$$name.lock written"; done

fuzz: $(VENV)/.fuzz
	@status=0; \
	$(BIN)/python -m tests.fuzz --keep found || status=1; \
	$(BIN)/python -m tests.fuzz.guided --keep found || status=1; \
	exit $$status

peers: $(VENV)/.peers

production: $(VENV)/.production

telemetry: $(VENV)/.telemetry

console: $(VENV)/.console

mutation: $(VENV)/.mutation
	rm -rf mutants
	$(BIN)/mutmut run --max-children 2
	$(BIN)/python -m benchmarks.mutation

clean:
	rm -rf $(VENV) mutants found .pytest_cache .mypy_cache .ruff_cache .import_linter_cache *.egg-info

$(VENV)/bin/python:
	@command -v $(PYTHON) >/dev/null 2>&1 || { echo "Python 3.11 or newer is needed and '$(PYTHON)' was not found: install it, or name one with make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; $$($(PYTHON) --version 2>&1) was found: name a newer one with make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "making $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "$(PYTHON) could not make a virtual environment: its venv and ensurepip modules are needed (on Debian: the package python3-venv)" >&2; exit 1; }

$(VENV)/.runtime: requirements/build.lock requirements/runtime.lock pyproject.toml | $(VENV)/bin/python
	@echo "installing what one contact point runs (about 600 MB, some minutes the first time)"
	@$(PIP) -r requirements/build.lock -r requirements/runtime.lock || { echo "the requirements could not be installed: the lines above say why; a package index that pip can reach is needed" >&2; exit 1; }
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.kernels: $(VENV)/.runtime $(wildcard matcher/*.py)
	@echo "compiling the search (about half a minute of CPU time the first time)"
	@$(BIN)/python -m matcher.warm || echo "the search is compiled again at every start: the lines above say why" >&2
	@touch $@

$(VENV)/.test: $(VENV)/.runtime requirements/test.lock
	@echo "installing what the tests need"
	@$(PIP) -r requirements/test.lock || { echo "the test requirements could not be installed: the lines above say why" >&2; exit 1; }
	@touch $@

$(VENV)/.mutation: $(VENV)/.test requirements/mutation.lock
	@echo "installing what makes mutants"
	@$(PIP) -r requirements/mutation.lock || { echo "the requirements of make mutation could not be installed: the lines above say why" >&2; exit 1; }
	@touch $@

$(VENV)/.fuzz: $(VENV)/.test requirements/fuzz.lock
	@echo "installing what guides the fuzzing"
	@if $(PIP) -r requirements/fuzz.lock; then touch $@; \
	else echo "atheris could not be installed: the lines above say why; make fuzz leaves its second half out" >&2; fi

$(VENV)/.production: $(VENV)/.runtime requirements/production.lock
	@echo "installing what PostgreSQL and tokens need"
	@$(PIP) -r requirements/production.lock || { echo "the requirements of make production could not be installed: the lines above say why" >&2; exit 1; }
	@touch $@

$(VENV)/.telemetry: $(VENV)/.runtime requirements/telemetry.lock
	@echo "installing what traces for a collector need"
	@$(PIP) -r requirements/telemetry.lock || { echo "the requirements of make telemetry could not be installed: the lines above say why" >&2; exit 1; }
	@touch $@

$(VENV)/.console: $(VENV)/.runtime requirements/console.lock
	@echo "installing what the console, exports and documents need"
	@$(PIP) -r requirements/console.lock || { echo "the requirements of make console could not be installed: the lines above say why" >&2; exit 1; }
	@touch $@

$(VENV)/.peers: $(VENV)/.test requirements/peers.lock
	@echo "installing mindtct and NFIQ 2 of NIST (Linux on x86-64)"
	@$(PIP) -r requirements/peers.lock || { echo "the requirements of make peers could not be installed: the lines above say why" >&2; exit 1; }
	@touch $@
