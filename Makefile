# The commands of the project. Each target first sets up the environment.
PYTHON ?= python3
CORES ?= $(shell $(PYTHON) -c "import os; print(len(os.sched_getaffinity(0)))")
DATA ?= ../shared/data
DIR ?= .
VENV := .venv/bin/python
READY := .venv/ready
# The shell takes these values from its environment, so that a folder's name may hold spaces, quotes, #, % and so on. The
# tools run as modules, because scripts of .venv/bin do not start in every such folder.
export DATA DIR
SNAKEMAKE = $(VENV) -m snakemake --cores $(CORES)

.PHONY: help setup demo real evidence evidence-normals evidence-real evidence-controls evidence-page learning test test-slurm test-slurm-all test-faults fuzz lint docs bench rehearsal ui clean

help:
	@echo "make demo      run the whole workflow on the embedded small world; it writes the tables and pages of demo/results"
	@echo "make real      run the same workflow on real clips and photos (DATA=$$DATA)"
	@echo "make evidence  train the networks of the small world, and of a harder one, for three seeds; it prints means and intervals"
	@echo "make evidence-normals  train the networks of surface normals for three seeds, in the small world and on NYUv2 (DATA=$$DATA)"
	@echo "make evidence-real      pretrain on real clips for three seeds, measure on photos that no clip shows (DATA=$$DATA)"
	@echo "make evidence-controls  train the controls: other pairs, less data, other negatives, ensembles; two hours on two cores"
	@echo "make evidence-page      write docs/evidence.md from the tables of evidence in docs/evidence"
	@echo "make learning  measure what ranking learns on held-out clips of demo and real; it writes docs/learning.md"
	@echo "make test      run the unit, reference and workflow tests, in a process for each core (CORES=1: in one)"
	@echo "make test-slurm      bring up a SLURM of one node (as root, Debian's packages) and run with faults; minutes"
	@echo "make test-slurm-all  the same, and each fault in a run of its own"
	@echo "make test-faults  kill the tiny experiment 40 times, fill its disk and break its files; an hour on two cores (KILLS=4: 4)"
	@echo "make fuzz      read 300 mutated inputs of each kind: videos, photos, XML, HDF5, weights, archives, lists and so on"
	@echo "make lint      run ruff, mypy, snakefmt, snakemake --lint and the check of the documented settings"
	@echo "make docs      write the tables of config/README.md and config/schema.json from the classes of settings"
	@echo "make bench     compare speeds with other libraries, on real clips if DATA has them"
	@echo "make rehearsal run every rule as often as the paper's experiment does, on tiny contents; it takes an hour on two cores"
	@echo "make ui        show the runs of this folder in MLflow (DIR=demo shows the runs of the demo)"

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c "import sys; sys.exit(0 if sys.version_info >= (3, 11) else 'tracklearn needs Python 3.11 or newer, this is ' + sys.version.split()[0] + '; set PYTHON=')"
	@echo "Installing the locked versions into .venv (about 6 GB with torch's CUDA libraries)"
	@$(PYTHON) -m venv .venv
	@$(VENV) -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	@$(VENV) -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

demo: $(READY)
	@$(VENV) demo/make_world.py --out demo/world
	@$(SNAKEMAKE) --directory demo all cards
	@echo "Tables:   table1.csv, section6.csv and table2.csv in demo/results"
	@echo "Pages:    demo/results/index.html leads to all of them"
	@echo "Cards:    card.md beside the weights of each network in demo/results/models"
	@echo "The runs: make ui DIR=demo"

real: $(READY)
	@$(VENV) examples/real_mini/prepare.py "$$DATA"
	@$(SNAKEMAKE) --directory examples/real_mini all cards
	@echo "Tables:   table1.csv, section6.csv and table2.csv in examples/real_mini/results"
	@echo "Pages:    examples/real_mini/results/index.html leads to all of them"

evidence: $(READY)
	@$(VENV) demo/make_world.py --out demo/world
	@$(SNAKEMAKE) --directory demo results/evidence.md
	@$(VENV) demo/make_world.py --out demo/hard/world --without known_categories large_things equal_backgrounds \
		equal_hues even_categories --tune 0 --per-class 0 --per-scene 0 --rooms 0
	@$(SNAKEMAKE) --directory demo/hard results/evidence.md
	@cat demo/results/evidence.md demo/hard/results/evidence.md
	@$(VENV) -m benchmarks.evidence_page $@

evidence-normals: $(READY)
	@$(VENV) demo/make_world.py --out demo/world
	@$(SNAKEMAKE) --directory demo results/evidence_normals.md
	@$(VENV) examples/real_mini/prepare.py "$$DATA"
	@$(SNAKEMAKE) --directory examples/real_mini results/evidence_normals.md
	@$(VENV) $(REAL_EVIDENCE)/prepare.py "$$DATA"
	@$(SNAKEMAKE) --directory $(REAL_EVIDENCE) results/evidence_normals.md
	@cat demo/results/evidence_normals.md examples/real_mini/results/evidence_normals.md $(REAL_EVIDENCE)/results/evidence_normals.md
	@$(VENV) -m benchmarks.evidence_page $@

# The clips set aside are an experiment of their own, which mines as the other one does.
REAL_EVIDENCE := examples/real_evidence
QUESTIONS := results/tables/labelled-test/questions
CONTROLS := $(foreach id,tracking motion data negatives ensembles,$(QUESTIONS)/$(id).md)
PREPARE_REAL_EVIDENCE = $(VENV) $(REAL_EVIDENCE)/prepare.py "$$DATA" && \
	$(SNAKEMAKE) --directory $(REAL_EVIDENCE)/held_out --configfile $(REAL_EVIDENCE)/config/config.yaml -- pairs

evidence-real: $(READY)
	@$(PREPARE_REAL_EVIDENCE)
	@$(SNAKEMAKE) --directory $(REAL_EVIDENCE) -- $(QUESTIONS)/real.md $(QUESTIONS)/choose.md
	@cat $(REAL_EVIDENCE)/$(QUESTIONS)/real.md $(REAL_EVIDENCE)/$(QUESTIONS)/choose.md
	@$(VENV) -m benchmarks.evidence_page $@

evidence-controls: $(READY)
	@$(VENV) demo/make_world.py --out demo/world
	@$(SNAKEMAKE) --directory demo --configfile demo/config/controls.yaml -- $(CONTROLS)
	@$(PREPARE_REAL_EVIDENCE)
	@$(SNAKEMAKE) --directory $(REAL_EVIDENCE) --configfile $(REAL_EVIDENCE)/config/controls.yaml -- $(CONTROLS)
	@$(VENV) -m benchmarks.evidence_page $@

evidence-page: $(READY)
	@$(VENV) -m benchmarks.evidence_page

learning: $(READY)
	@$(VENV) -m benchmarks.learning

test: $(READY)
	@$(VENV) -m pytest --numprocesses $(CORES) --maxprocesses 8 --dist worksteal

# Only here are tests collected from this folder: they install packages and start daemons.
test-slurm: $(READY)
	@$(VENV) -m pytest -s tests/slurm -m "not single"

test-slurm-all: $(READY)
	@$(VENV) -m pytest -s tests/slurm

# Only here are tests collected from this folder. Those that mount a disk need root and are passed over without it.
test-faults: $(READY)
	@$(VENV) -m pytest -s tests/faults

fuzz: $(READY)
	@PYTHONPATH=tests $(VENV) -m fuzz

lint: $(READY)
	@$(VENV) -m ruff check .
	@$(VENV) -m ruff format --check src tests workflow demo benchmarks examples
	@$(VENV) -m mypy
	@$(VENV) -m snakefmt --check Snakefile workflow/rules
	@$(VENV) tests/lint_workflow.py
	@$(VENV) -m tracklearn.settings --check config/README.md config/schema.json

docs: $(READY)
	@$(VENV) -m tracklearn.settings config/README.md config/schema.json

bench: $(READY)
	@$(VENV) -m benchmarks

rehearsal: $(READY)
	@$(VENV) -m benchmarks.rehearsal

ui: $(READY)
	@python="$$PWD/$(VENV)" && cd "$$DIR" && exec "$$python" -m tracklearn.runs.sender ui

clean:
	rm -rf results demo/results demo/world demo/hard/results demo/hard/world examples/*/results examples/real_evidence/held_out
