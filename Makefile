# Everything a newcomer needs: `make demo` and `make test`. See README.md.
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# Folders are listed beside files so that a removed file also makes the package stale.
SOURCES := pyproject.toml constraints.txt CMakeLists.txt scripts/install.sh \
	$(shell find src native -not -name '*.so' -not -name '*.pyc' -not -name '__pycache__' | sed 's/ /\\ /g')

.DEFAULT_GOAL := help
.PHONY: help install demo demo-web web test lint format bench blender blender-test clean

help:
	@echo "make demo     install, scan a sample capture, show where the model is"
	@echo "make demo-web  the same in the browser: the service started, a scan made by its page"
	@echo "make test     install, then check style, types, import rules and run all tests"
	@echo "make install  build the package into $(VENV), unless it is up to date"
	@echo "make lint     style, types and import rules only"
	@echo "make web      build the web app of web/ into the package (only after a change of it)"
	@echo "make format   lay the code out as the house does"
	@echo "make bench    measure the native kernels against their references"
	@echo "make blender  pack the Blender add-on into $(BLENDER_ZIP)"
	@echo "make blender-test  test it in Blender's own Python module, which is downloaded (400 MB)"
	@echo "make clean    remove what the others made"

install: $(STAMP)

$(STAMP): $(SOURCES)
	@sh scripts/install.sh
	@touch $@

demo: install
	@sh scripts/demo.sh

demo-web: install
	@sh scripts/demo_web.sh

web:
	@sh scripts/web.sh

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# Two at a time, file by file: most of a test is one thread, and what a file's tests share is made once.
test: lint
	$(BIN)/pytest -n 2 --dist loadfile

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install
	@for script in benchmarks/*.py; do echo "$$script"; $(BIN)/python "$$script" || exit 1; done

# Blender's module is for one Python only, and wants an older NumPy: it has an environment of its own.
BLENDER_ZIP := build/gypsum-blender.zip
BLENDER_VENV := build/blender/venv
BLENDER_PYTHON := python3.11

blender:
	@python3 blender/build.py $(BLENDER_ZIP) && echo "$(BLENDER_ZIP)"

$(BLENDER_VENV)/.installed:
	$(BLENDER_PYTHON) -m venv --clear $(BLENDER_VENV)
	$(BLENDER_VENV)/bin/pip install -q bpy==5.0.1 'numpy<2' 'pytest>=8'
	@touch $@

# With `make install` before, pictures are compared with Gypsum's own, and Gypsum is run from Blender.
GYPSUM_PYTHON ?= $(wildcard $(CURDIR)/$(BIN)/python)
blender-test: $(BLENDER_VENV)/.installed
	GYPSUM_PYTHON=$(GYPSUM_PYTHON) $(BLENDER_VENV)/bin/python -m pytest blender/tests

clean:
	rm -rf $(VENV) build demo .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
