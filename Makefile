# make check runs everything that must pass; make quick leaves the real models out.
.PHONY: check quick lint

check: lint
	python -m pytest

quick: lint
	python -m pytest -m "not slow"

lint:
	ruff check .
	ruff format --check .
	mypy
