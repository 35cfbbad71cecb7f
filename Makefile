# make demo   everything the main job needs, then the main job, on real text
# make test   the tests
# make media  pictures, sound and video (about 600 MB more), and their tests
# The first two are complete on a machine with Python 3.11+, git and a C compiler; the second call is fast.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := $(VENV)/.installed-local
INSTALLED := $(VENV)/.installed
MEDIA := $(VENV)/.installed-media
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test media check format clean help

help:
	@grep -E '^# make' Makefile | cut -c3-

demo: $(DEMO)
	@$(BIN)/centerlm models get all
	@$(BIN)/python -m centerlm.demo

test: $(INSTALLED)
	@$(BIN)/centerlm models get all || echo "no weights: tests of the local model are skipped"
	$(BIN)/pytest

media: $(MEDIA)
	@$(BIN)/centerlm models get speech || echo "no weights: tests of speech are skipped"
	@$(BIN)/centerlm models get detector || echo "no weights: tests of the detector are skipped"
	$(BIN)/pytest tests/media

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(DEMO): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[local]'
	@touch $(DEMO)

# Tests and checks also need what trains (that has torch in it) and what evaluates.
$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[local,train,eval,ray,serve,studio,postgres,mcp,otel,books,dev]'
	@touch $(INSTALLED) $(DEMO)

$(MEDIA): $(INSTALLED)
	$(PIP) --editable '.[media]'
	@touch $(MEDIA)

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis dist build
