# `make demo` and `make test` are the only set-up: each makes .venv where it is missing.
PYTHON := $(shell command -v python3.11 >/dev/null 2>&1 && python3.11 -c "" >/dev/null 2>&1 && echo python3.11 || echo python3)
PIP := .venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
INPUTS := pyproject.toml constraints.txt

.PHONY: demo demo-lm test lint set-up set-up-lm clean

demo: .venv/.installed
	.venv/bin/sparring run digits
	@echo "The report is $(CURDIR)/sparring-runs/digits/report.html"

demo-lm: .venv/.installed-lm
	.venv/bin/sparring run smollm2
	@echo "The report is $(CURDIR)/sparring-runs/smollm2/report.html"

test: .venv/.installed-dev
	OMP_NUM_THREADS=1 .venv/bin/pytest -n 2

lint: .venv/.installed-dev
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/pyrefly check

set-up: .venv/.installed-dev

set-up-lm: .venv/.installed-lm

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "sparring needs Python 3.11 or newer; this is " + sys.version.split()[0])'
	$(PYTHON) -m venv .venv

# torch and what depends on it come from one command, so that pip chooses one torch for all of them.
.venv/.installed: .venv/bin/python $(INPUTS)
	$(PIP) torch -e .
	@touch $@

.venv/.installed-lm: .venv/bin/python $(INPUTS)
	$(PIP) torch -e ".[lm]"
	@touch $@ .venv/.installed

.venv/.installed-dev: .venv/bin/python $(INPUTS)
	$(PIP) torch -e ".[dev]"
	@touch $@ .venv/.installed .venv/.installed-lm

clean:
	rm -rf .venv sparring-runs build dist .pytest_cache .ruff_cache
