# make demo    see in three minutes why a deep network does not train, and what repairs it
# make test    run the tests that take at most a few seconds each (four minutes on two cores); make test-all    all of them
# make lessons    render the notebooks as pages, docs/lessons/; make exercises    copies for students, build/exercises/
# Each makes .venv and installs what it needs there; you only need python3 (3.11 or newer).

PYTHON ?= python3
VENV   := .venv
RUN    := $(VENV)/bin/python

# Several processes; the tests of a file run in one of them, because they share what is slow to make.
PYTEST := $(RUN) -m pytest --numprocesses auto --maxprocesses 8 --dist loadfile

.PHONY: demo test test-all test-fast oracle lessons exercises lint docs clean

demo: $(VENV)/package
	$(RUN) scripts/demo.py

test: $(VENV)/test
	$(PYTEST) -m "not slow"

test-all: $(VENV)/test
	$(PYTEST)

# Two minutes, to try another Python: make test-fast VENV=.venv-3.13 PYTHON=python3.13
test-fast: $(VENV)/test
	$(PYTEST) -m "not slow" $(addprefix tests/,layers learning_rules schedulers models training data pages) tests/test_*.py

# The tests that compare with PyTorch (a large download; they skip without it).
oracle: $(VENV)/oracle
	$(PYTEST) -m oracle

lessons: $(VENV)/lessons
	$(RUN) scripts/render_lessons.py

exercises: $(VENV)/lessons
	$(RUN) scripts/make_exercises.py

lint: $(VENV)/dev
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy mlp

# The API reference, made of the docstrings.
docs: $(VENV)/docs
	$(RUN) scripts/make_docs.py

clean:
	rm -rf $(VENV)

$(VENV)/package: setup.py pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "mlp needs Python 3.11 or newer: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --editable .
	touch $@

$(VENV)/test $(VENV)/oracle $(VENV)/lessons $(VENV)/dev $(VENV)/docs: $(VENV)/package
	$(RUN) -m pip install --quiet --editable '.[$(notdir $@)]'
	touch $@
