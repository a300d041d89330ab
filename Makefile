# Two commands need nothing but a Python with venv: `make inpaint` and `make test`.
# Everything they install goes into .venv; `rm -rf .venv` undoes it.

PYTHON ?= python3
# Processes that tests run in, most of the time on one core each. 0 runs them in the first one.
WORKERS ?= 2
# A file's tests stay in one process, which makes its fixtures once, until another has none left.
PYTEST_WORKERS := -n $(WORKERS) --dist worksteal
PYTEST_OPTIONS ?=
TESTS = -m pytest $(PYTEST_WORKERS) -m 'not slow and not browser' $(PYTEST_OPTIONS)

export TF_CPP_MIN_LOG_LEVEL = 2
export PIP_DISABLE_PIP_VERSION_CHECK = 1

VENV := .venv
BIN := $(VENV)/bin
# A stamp is older than these files when they have changed: the set-up then runs again.
SETTINGS := setup.cfg pyproject.toml
INSTALLED := $(VENV)/.installed
INSTALLED_TOOLS := $(VENV)/.installed-tools

# An environment of its own, with the oldest libraries that setup.cfg allows. Their builds for
# newer Pythons came later: it takes the oldest Python.
FLOORS_PYTHON ?= python3.11
FLOORS := .venv-floors
# The client of kserve, which holds protobuf below TensorFlow's; a test looks for it there.
KSERVE := .venv-kserve
# Not those that need PyTorch: of its old versions pip finds builds with CUDA alone.
FLOOR_EXTRAS := addons,baselines,bayesian,cluster,heif,hub,jax,litert,onnx,remote,serving,shards,tuning
FLOOR_TESTS := tests/contracts tests/gan/test_data_contract.py

EXAMPLES := keras_inpaint/pictures/examples
FILLED := out/filled.png

# What is written on keras.ops alone is tested a second time on the other backend.
JAX_TESTS := tests/contracts/test_layer_contract.py \
	tests/gan/test_checking.py tests/gan/test_callbacks.py tests/gan/test_compile.py \
	tests/gan/test_keras_callbacks.py tests/gan/test_saving.py \
	tests/gan/test_own_parts.py tests/gan/test_perceptual_loss.py \
	tests/gan/test_averaging.py tests/gan/test_phases.py tests/gan/test_waiting.py \
	tests/gan/test_step_guard.py tests/gan/test_freezing.py \
	tests/gan/test_data_contract.py tests/gan/test_guided.py \
	$(wildcard $(addprefix tests/,ops masks layers losses metrics models data))

# What tests compile runs once or twice: to compile it well takes XLA longer than it saves.
QUICKLY = JAX_DISABLE_MOST_OPTIMIZATIONS=1 XLA_FLAGS="$$($(BIN)/python .ci/xla_flags.py)"

.DEFAULT_GOAL := help
.PHONY: help inpaint test coverage test-jax test-slow test-browser test-kserve test-floors lint format types site notebooks wheel-check clean

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' Makefile

inpaint: $(INSTALLED) ## Fill the hole of a bundled photo and print where the picture is
	@mkdir -p $(dir $(FILLED))
	$(BIN)/keras-inpaint inpaint $(EXAMPLES)/photo.jpg --mask $(EXAMPLES)/mask.png --output $(FILLED)
	@echo "The filled picture: $(CURDIR)/$(FILLED)"

test: $(INSTALLED_TOOLS) ## Run all tests but the slow ones and those in a browser
	JAX_DISABLE_MOST_OPTIMIZATIONS=1 KERAS_BACKEND=tensorflow $(BIN)/python $(TESTS)

# Counting takes up to a quarter of the time; with COVERAGE_CORE=sysmon on Python 3.12, little.
coverage: $(INSTALLED_TOOLS) ## Run them with the lines counted that they reach: not fewer than setup.cfg says
	$(BIN)/python -m coverage erase
	KERAS_BACKEND=tensorflow $(BIN)/python -m coverage run $(TESTS)
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report

test-jax: $(INSTALLED_TOOLS) ## Run the tests of the backend-neutral parts again, on JAX
	$(QUICKLY) KERAS_BACKEND=jax $(BIN)/python -m pytest $(PYTEST_WORKERS) -m 'not slow' \
		$(PYTEST_OPTIONS) $(JAX_TESTS)

test-slow: $(INSTALLED_TOOLS) ## Run the tests that take more than 20 seconds each
	JAX_DISABLE_MOST_OPTIMIZATIONS=1 KERAS_BACKEND=tensorflow \
		$(BIN)/python -m pytest $(PYTEST_WORKERS) -m 'slow and not browser' $(PYTEST_OPTIONS)

# In one process: its tests share two browsers. Chromium is the system's, as is Node.
test-browser: $(INSTALLED_TOOLS) ## Run the tests of the page in Chromium
	@bash .ci/browsers
	KERAS_BACKEND=tensorflow $(BIN)/python -m pytest -n 0 -m browser $(PYTEST_OPTIONS)

test-kserve: $(INSTALLED_TOOLS) $(KSERVE)/.installed ## Ask the server by the client of kserve
	KERAS_BACKEND=tensorflow $(BIN)/python -m pytest -n 0 -k kserve $(PYTEST_OPTIONS) \
		tests/serving/test_process.py

test-floors: $(FLOORS)/.installed ## Run the contract tests with the oldest libraries allowed
	KERAS_BACKEND=tensorflow $(FLOORS)/bin/python -m pytest $(PYTEST_WORKERS) -m 'not slow' \
		$(PYTEST_OPTIONS) $(FLOOR_TESTS)
	KERAS_BACKEND=jax $(FLOORS)/bin/python -m pytest -n 0 -m slow $(PYTEST_OPTIONS) \
		tests/contracts/test_without_tensorflow.py

lint: $(INSTALLED_TOOLS) ## Check style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell

format: $(INSTALLED_TOOLS) ## Put the sources into the format that `make lint` asks for
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(INSTALLED_TOOLS) ## Check the types
	$(BIN)/mypy

# Offline. The page is there to be tried, filling by the bundled preset in the browser.
site: $(INSTALLED_TOOLS) ## Build the site with its reference into site/, and look for dead links
	NO_MKDOCS_2_WARNING=1 KERAS_BACKEND=tensorflow $(BIN)/python -m mkdocs build --strict
	KERAS_BACKEND=tensorflow $(BIN)/keras-inpaint export --quiet --format page --output site/try
	KERAS_BACKEND=tensorflow $(BIN)/python .ci/check_site.py site

# Minutes; the site shows what this keeps in docs/notebooks/.
notebooks: $(INSTALLED_TOOLS) ## Run the notebooks, and keep copies with their pictures for the site
	$(BIN)/python .ci/execute_notebooks.py

# DIST keeps what was built and passed: `make wheel-check DIST=dist`.
wheel-check: $(INSTALLED_TOOLS) ## Build sdist and wheel and try both away from the sources
	bash .ci/check_wheel $(BIN)/python $(DIST)

$(KSERVE)/.installed: tests/serving/kserve.txt
	$(FLOORS_PYTHON) -m venv --clear $(KSERVE)
	$(KSERVE)/bin/python -m pip install --quiet --no-deps --requirement $<
	@touch $@

$(FLOORS)/.installed: $(SETTINGS) .ci/floors.py
	@command -v $(FLOORS_PYTHON) >/dev/null || { \
		echo "Python 3.11 is needed. Name it: make FLOORS_PYTHON=python3.11" >&2; exit 1; }
	$(FLOORS_PYTHON) -m venv --clear $(FLOORS)
	$(FLOORS_PYTHON) .ci/floors.py >$(FLOORS)/floors.txt
	$(FLOORS)/bin/python -m pip install --quiet --constraint $(FLOORS)/floors.txt \
		--editable '.[$(FLOOR_EXTRAS)]' pytest pytest-xdist
	@touch $@

clean: ## Remove what tests and builds left behind; the environment stays
	rm -rf build dist out site .coverage .coverage.* .pytest_cache .ruff_cache .mypy_cache *.egg-info

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { \
		echo "Python 3.11, 3.12 or 3.13 is needed. Name one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "Python's venv is missing. On Debian: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(INSTALLED): $(SETTINGS) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(INSTALLED_TOOLS): $(SETTINGS) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[test,lint,docs,release]'
	@touch $(INSTALLED) $@
