# Two commands, each complete on a fresh machine: make demo, make test.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --disable-pip-version-check --quiet -c constraints.txt
STORE := $(CURDIR)/mlruns
PREFECT_PORT ?= 4200
MLFLOW_PORT ?= 5000
# Processes that run tests side by side; a file of tests stays in one of them.
TEST_WORKERS ?= 2
PYTEST := $(BIN)/pytest -n $(TEST_WORKERS) --dist loadfile
export DO_NOT_TRACK := true
export OMP_WAIT_POLICY := PASSIVE
export MLFLOW_DISABLE_TELEMETRY := true
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION := false
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT := false

.PHONY: demo test test-slow coverage check format ui up down bench clean
.DEFAULT_GOAL := demo

demo: $(VENV)/.demo
	@$(BIN)/informer retrain nyc-weather --json

test: $(VENV)/.dev
	@$(PYTEST)

test-slow: $(VENV)/.dev
	@$(PYTEST) -m "slow and not gpu"

coverage: $(VENV)/.dev
	@$(BIN)/pytest --cov

check: $(VENV)/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@if [ -x $(BIN)/hadolint ]; then $(BIN)/hadolint docker/Dockerfile docker/Dockerfile.gpu; fi
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec docker/compose.yaml

format: $(VENV)/.dev
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

ui: $(VENV)/.demo
	@PREFECT_HOME=$${PREFECT_HOME:-$(STORE)/prefect} \
	PREFECT_SERVER_UI_API_URL=http://127.0.0.1:$(PREFECT_PORT)/api \
	$(BIN)/prefect server start --host 127.0.0.1 --port $(PREFECT_PORT) & prefect=$$!; \
	$(BIN)/mlflow ui --host 127.0.0.1 --port $(MLFLOW_PORT) --workers 1 \
	  --backend-store-uri $${MLFLOW_TRACKING_URI:-sqlite:///$(STORE)/mlflow.db} & mlflow=$$!; \
	trap 'kill $$prefect $$mlflow 2>/dev/null; wait' INT TERM EXIT; \
	echo "Prefect http://127.0.0.1:$(PREFECT_PORT)   MLflow http://127.0.0.1:$(MLFLOW_PORT)   (Ctrl-C stops both)"; \
	wait

up:
	@sh docker/stack.sh up

down:
	@sh docker/stack.sh down

bench: $(VENV)/.dev
	@for name in attention model_step inference series processes orchestration tuning fanout; do $(BIN)/python benchmarks/$$name.py || exit 1; done

clean:
	rm -rf $(VENV) mlruns/[!.]*

$(VENV)/bin/python:
	@echo "setting up $(VENV) with $(PYTHON)" >&2
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing from constraints.txt; this takes some minutes, once" >&2
	@$(PIP) -e '.[demo]' >&2
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing from constraints.txt; this takes some minutes, once" >&2
	@$(PIP) -e '.[dev]' >&2
	@touch $@ $(VENV)/.demo
