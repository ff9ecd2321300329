# make setup | demo | test | lint. Everything goes to .venv, infra/broker/jars and .sealframe; setup runs once.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
JARS := infra/broker/jars
DEPENDENCY_PLUGIN := org.apache.maven.plugins:maven-dependency-plugin:3.8.1

.PHONY: setup demo test lint clean
.DELETE_ON_ERROR:

setup: $(STAMPS)/system $(STAMPS)/package $(JARS)/.stamp $(STAMPS)/models $(STAMPS)/pictures

$(STAMPS)/venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
	  { echo "Python 3.11 is needed: make setup PYTHON=python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@mkdir -p $(STAMPS) && touch $@

# Debian packages, with root; without it the message names them
$(STAMPS)/system: infra/system-packages.sh | $(STAMPS)/venv
	bash infra/system-packages.sh
	@touch $@

$(STAMPS)/lock: requirements.lock | $(STAMPS)/venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

$(STAMPS)/package: pyproject.toml $(STAMPS)/lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(JARS)/.stamp: infra/broker/pom.xml | $(STAMPS)/system
	rm -rf $(JARS)
	mvn --batch-mode --quiet --file infra/broker/pom.xml $(DEPENDENCY_PLUGIN):copy-dependencies \
	  -DoutputDirectory=jars -DincludeScope=runtime
	@touch $@

$(STAMPS)/models: $(wildcard infra/models.toml) $(STAMPS)/package $(STAMPS)/system
	$(BIN)/sealframe models setup
	@touch $@

$(STAMPS)/pictures: streams/demo/sources.toml $(STAMPS)/package
	$(BIN)/sealframe demo --fetch
	@touch $@

$(STAMPS)/test-packages: infra/test-packages.sh | $(STAMPS)/venv
	bash infra/test-packages.sh
	@touch $@

demo: setup
	$(BIN)/sealframe demo $(if $(SEED),--seed $(SEED)) $(if $(VIDEO),--video "$(VIDEO)") $(if $(KEEP),--keep)

test: setup $(STAMPS)/test-packages
	REQUIRE_SERVICES=1 $(BIN)/pytest $(TESTS)

lint: $(STAMPS)/package
	$(BIN)/ruff check .
	$(BIN)/mypy

clean:
	rm -rf build out $(JARS)
