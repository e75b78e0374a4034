# The commands of the project. Each target first sets up the environment.
PYTHON ?= python3
CORES ?= $(shell $(PYTHON) -c "import os; print(len(os.sched_getaffinity(0)))")
DATA ?= ../shared/data
BIN := .venv/bin
READY := .venv/ready
SNAKEMAKE = $(BIN)/snakemake --cores $(CORES) --quiet rules progress host reason

.PHONY: help setup demo real evidence evidence-normals learning test lint docs bench ui clean

help:
	@echo "make demo      run the whole workflow on the embedded small world; it writes the tables and pages of demo/results"
	@echo "make real      run the same workflow on real clips and photos (DATA=$(DATA))"
	@echo "make evidence  train the networks of the small world for three seeds; it prints means and intervals"
	@echo "make evidence-normals  train the networks of surface normals for three seeds, in the small world and on NYUv2"
	@echo "make learning  measure what ranking learns on held-out clips of demo and real; it writes docs/learning.md"
	@echo "make test      run the unit, reference and workflow tests, in a process for each core (CORES=1: in one)"
	@echo "make lint      run ruff, mypy, snakefmt, snakemake --lint and the check of the documented settings"
	@echo "make docs      write the tables of config/README.md and config/schema.json from the classes of settings"
	@echo "make bench     compare speeds with other libraries, on real clips if DATA has them"
	@echo "make ui        show the runs of this folder in MLflow (DIR=demo shows the runs of the demo)"

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c "import sys; sys.exit(0 if sys.version_info >= (3, 11) else 'tracklearn needs Python 3.11 or newer, this is ' + sys.version.split()[0] + '; set PYTHON=')"
	@echo "Installing the locked versions into .venv (about 6 GB with torch's CUDA libraries)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

demo: $(READY)
	@$(BIN)/python demo/make_world.py --out demo/world
	@$(SNAKEMAKE) --directory demo all cards
	@echo "Tables:   table1.csv, section6.csv and table2.csv in demo/results"
	@echo "Pages:    table1.html, section6.html, table2.html and figures.html in demo/results"
	@echo "Cards:    card.md beside the weights of each network in demo/results/models"
	@echo "The runs: make ui DIR=demo"

real: $(READY)
	@$(BIN)/python examples/real_mini/prepare.py $(DATA)
	@$(SNAKEMAKE) --directory examples/real_mini all cards
	@echo "Tables:   table1.csv, section6.csv and table2.csv in examples/real_mini/results"
	@echo "Pages:    table1.html, section6.html, table2.html and figures.html in examples/real_mini/results"

evidence: $(READY)
	@$(BIN)/python demo/make_world.py --out demo/world
	@$(SNAKEMAKE) --directory demo results/evidence.md
	@cat demo/results/evidence.md

evidence-normals: $(READY)
	@$(BIN)/python demo/make_world.py --out demo/world
	@$(SNAKEMAKE) --directory demo results/evidence_normals.md
	@$(BIN)/python examples/real_mini/prepare.py $(DATA)
	@$(SNAKEMAKE) --directory examples/real_mini results/evidence_normals.md
	@cat demo/results/evidence_normals.md examples/real_mini/results/evidence_normals.md

learning: $(READY)
	@$(BIN)/python -m benchmarks.learning

test: $(READY)
	@$(BIN)/python -m pytest --numprocesses $(CORES) --maxprocesses 8 --dist worksteal

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check src tests workflow demo benchmarks examples
	@$(BIN)/mypy
	@$(BIN)/snakefmt --line-length 120 --check Snakefile workflow/rules
	@$(BIN)/python tests/lint_workflow.py
	@$(BIN)/python -m tracklearn.settings --check config/README.md config/schema.json

docs: $(READY)
	@$(BIN)/python -m tracklearn.settings config/README.md config/schema.json

bench: $(READY)
	@$(BIN)/python -m benchmarks

DIR ?= .
ui: $(READY)
	@cd $(DIR) && $(abspath $(BIN))/python -m tracklearn.runs.sender ui

clean:
	rm -rf results demo/results demo/world examples/real_mini/results
