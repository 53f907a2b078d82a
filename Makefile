# `make run` and `make test` need Python 3.11 to 3.13 and a C++ compiler, nothing else:
# both build .venv from exact versions on their first call.

SHELL := /bin/bash
BIN := .venv/bin

# The first one that works; `make run PYTHON=/path/to/python` takes another.
ifndef PYTHON
PYTHON := $(shell for python in python3.11 python3.12 python3.13 python3; do \
	$$python -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
		2> /dev/null && command -v $$python && break; done)
endif

# A stamp says that what a lock names is installed; a changed lock has another stamp.
RUN_STAMP := .venv/.installed-$(firstword $(shell cksum requirements.lock))
DEV_STAMP := .venv/.installed-dev-$(firstword $(shell cksum requirements-dev.lock))

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help run test format viz screenshot acceptance lock

help:
	@echo 'make run     install what is needed, then train and recommend on simulated data'
	@echo 'make test    install the tools too, then check format, lint, types, tests'
	@echo 'make viz     show the pipelines, tables and plots in the browser'
	@echo 'make format  put the code into the shape that the check asks for'
	@echo 'make lock    choose the newest versions that pyproject.toml allows'

run: $(RUN_STAMP)
	$(BIN)/kedro run

test: $(DEV_STAMP)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	KERAS_BACKEND=jax JAX_DISABLE_MOST_OPTIMIZATIONS=1 $(BIN)/pytest $(SPREAD) -m backend
	KERAS_BACKEND=tensorflow $(BIN)/pytest $(SPREAD)

# A process for each core, up to four, which take 2 GB each; tests/conftest.py says which
# tests share one.
SPREAD := --numprocesses auto --maxprocesses 4 --dist loadgroup

format: $(DEV_STAMP)
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

viz: $(RUN_STAMP)
	$(BIN)/kedro viz run

screenshot: $(DEV_STAMP)
	$(BIN)/pytest tests/browser --screenshot docs/images/kedro-viz.png

acceptance: $(DEV_STAMP)
	$(BIN)/python -m tests.acceptance

lock: $(BIN)/python
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile $(LOCK_OPTIONS) --output-file requirements.lock
	$(BIN)/uv pip compile $(LOCK_OPTIONS) --extra dev --constraint requirements.lock \
		--output-file requirements-dev.lock

LOCK_OPTIONS := pyproject.toml --universal --python-version 3.11 --upgrade --quiet \
	--no-annotate --custom-compile-command 'make lock'

# pip builds Annoy with the compiler that Python names; without one it would fail late,
# after a page of output.
FIND_COMPILER = $(PYTHON) -c 'import os, shutil, sys, sysconfig; \
	command = os.environ.get("CXX") or sysconfig.get_config_var("CXX") or "c++"; \
	sys.exit(not shutil.which(command.split()[0]))' || { echo 'two-tower needs a C++' \
	'compiler to build Annoy; install one: apt-get install g++ (Debian, Ubuntu), dnf' \
	'install gcc-c++ (Fedora), xcode-select --install (macOS)' >&2; exit 1; }

$(RUN_STAMP): | $(BIN)/python
	@$(FIND_COMPILER)
	@echo 'Installing what requirements.lock names; the first time takes minutes'
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $@

$(DEV_STAMP): | $(BIN)/python
	@$(FIND_COMPILER)
	@echo 'Installing what requirements-dev.lock names; the first time takes minutes'
	$(BIN)/python -m pip install --quiet --requirement requirements-dev.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $@ $(RUN_STAMP)

$(BIN)/python:
	@test -n '$(PYTHON)' || { echo 'two-tower needs Python 3.11, 3.12 or 3.13 with its' \
		'venv module; install one, or name it: make run PYTHON=/path/to/python' >&2; exit 1; }
	@$(FIND_COMPILER)
	$(PYTHON) -m venv .venv
