# The two front doors are `make book` and `make test`; each prepares .venv first.  Everything here needs Python 3.11+
# and make, nothing else.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# Any interpreter from 3.11 on that can make virtual environments; override with `make PYTHON=/path/to/python book`.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
  $$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; done)
VENV ?= .venv
PY := $(VENV)/bin/python
# Processes used for tests and chapters.
JOBS ?= 2
# Plain PyPI ships torch for Linux with several GB of CUDA; this index has the CPU build.  Empty it to skip the attempt.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu

# One thread for each numeric library: chapters and tests run side by side instead.
export OMP_NUM_THREADS ?= 1
export MKL_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help book test unit chapters check lint types bench course grade artifacts networks figures serve clean

help:  ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

book: chapters  ## run every chapter (in parallel) and build the site that renders exactly those runs
	$(PY) book/_tools/stage.py
	rm -rf _build/html
	$(VENV)/bin/jupyter-book build _build/source --path-output . --all -W --keep-going -n -q
	@echo; echo "The book is in _build/html/index.html; 'make serve' shows it in a browser."

test: unit chapters  ## unit tests, then every chapter through nbmake

unit: $(VENV)/.stamp
	$(PY) -m pytest -q -n $(JOBS) -m "not browser"

chapters: $(VENV)/.stamp
	$(PY) book/_tools/execute.py --jobs $(JOBS)

check: $(VENV)/.stamp  ## test the built site: links, alt texts, weights; in Chromium: offline, keyboard, narrow, accessible
	$(PY) -m pytest -q -n $(JOBS) --dist worksteal -rs tests/book/test_site.py tests/book/test_browser.py tests/book/test_converter.py

lint: $(VENV)/.stamp  ## style (ruff)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: $(VENV)/.stamp  ## static types (mypy); shapes and types are enforced at run time while testing
	$(VENV)/bin/mypy

bench: $(VENV)/.stamp  ## benchmarks: ratios measured side by side in one run
	$(PY) -m benchmarks

# Exercises come from the book, or from NOTEBOOKS in the form of its chapters; OPTIONS goes to the grader (--help lists them).
NOTEBOOKS ?=
OPTIONS ?=
course: $(VENV)/.stamp  ## student and teacher notebooks in _build/course (NOTEBOOKS= instead of the book)
	$(PY) -m book._course.make $(NOTEBOOKS) $(OPTIONS)

grade: $(VENV)/.stamp  ## grade a folder of submissions (DIR=folder, EXERCISES="labels", NOTEBOOKS=, OPTIONS=)
	@test -n "$(DIR)" || { echo "Say where the submissions are: make grade DIR=path/to/folder"; exit 1; }
	$(PY) -m book._course.grade "$(DIR)" $(if $(EXERCISES),--exercises $(EXERCISES)) $(if $(NOTEBOOKS),--notebooks $(NOTEBOOKS)) $(OPTIONS)

# The images CIFAR-10's artifacts are made from: a folder for the official archive (downloaded when missing).
DATA ?= data
SOURCE ?= official
# Artifacts are written into the package; with ARTIFACTS=folder there instead, and what that folder has comes before the package's.
ifneq ($(ARTIFACTS),)
export WORKBENCH_ARTIFACTS := $(abspath $(ARTIFACTS))
endif
INTO = $(if $(ARTIFACTS),--out $(abspath $(ARTIFACTS)))
BUILD = --data $(DATA) --source $(SOURCE) $(INTO)
STAND_INS ?= 1000
NINE_STEPS ?= 256
STATISTICS ?= 192
artifacts: $(VENV)/.stamp  ## rebuild the shipped artifacts from the images (DATA=folder SOURCE=official|jpeg-copy ARTIFACTS=folder)
	$(PY) -m workbench.artifacts.cifar10_moments $(BUILD)
	$(PY) -m workbench.artifacts.cifar10_classes $(BUILD)
	$(PY) -m workbench.artifacts.cifar10_facts $(BUILD)
	$(PY) -m workbench.artifacts.stand_in_images $(BUILD) --number $(STAND_INS)
	$(PY) -m workbench.artifacts.cifar10_nine $(INTO) --steps $(NINE_STEPS)
	$(PY) -m workbench.artifacts.cifar10_statistics $(INTO) --number $(STATISTICS)

# A run goes on where it was interrupted; --tail is the share of it in which the learning rate falls to 0.  TRAIN, DIT, CLASSIFIER and
# FLOW are more options of the four training commands, INTEGER_FLOW of the codec: TRAIN="--widths 96,192,256 --seed 1".  PAIRS of the denoiser rectify its flow.
RUNS ?= runs
STEPS ?= 10000
SNAPSHOTS ?= 500,2000
PAIRS ?= 8200
FLOW_STEPS ?= 1600
networks: $(VENV)/.stamp  ## train the shipped networks again: hours on two cores (DATA=, SOURCE=, ARTIFACTS=, STEPS=, TRAIN=, RUNS=folder)
	$(PY) -m workbench.nets.train --out $(RUNS)/denoiser --data $(DATA) --resume --steps $(STEPS) --schedule stable --tail 0.4 --snapshots $(SNAPSHOTS) $(TRAIN)
	$(PY) -m workbench.artifacts.cifar10_denoiser --run $(RUNS)/denoiser $(BUILD) --history $(SNAPSHOTS)
	$(PY) -m workbench.nets.train --network dit --out $(RUNS)/dit --data $(DATA) --resume --steps $(STEPS) --schedule stable --tail 0.4 $(DIT)
	$(PY) -m workbench.artifacts.cifar10_denoiser --run $(RUNS)/dit --name cifar10-dit $(BUILD)
	$(PY) -m workbench.nets.train_classifier --out $(RUNS)/classifier.pt --data $(DATA) $(CLASSIFIER)
	$(PY) -m workbench.artifacts.cifar10_classifier --checkpoint $(RUNS)/classifier.pt $(BUILD)
	$(PY) -m workbench.artifacts.stand_in_images $(BUILD) --number $(STAND_INS)
	$(PY) -m workbench.artifacts.cifar10_nine $(INTO) --steps $(NINE_STEPS)
	$(PY) -m workbench.artifacts.cifar10_statistics $(INTO) --number $(STATISTICS)
	$(PY) -m workbench.artifacts.integer_flow $(BUILD) $(INTEGER_FLOW)
	$(PY) -m workbench.reflow.make_pairs --out $(RUNS)/pairs --number $(PAIRS)
	$(PY) -m workbench.reflow.train --out $(RUNS)/flow --data $(RUNS)/pairs --resume --steps $(FLOW_STEPS) --schedule stable --tail 0.4 --warmup 100 $(FLOW)
	$(PY) -m workbench.artifacts.cifar10_flow --run $(RUNS)/flow --pairs $(RUNS)/pairs $(INTO)

figures: book  ## every figure of the book as a file with its alt text, for slides: _build/figures and a zip
	$(PY) book/_tools/figures.py

serve:  ## show the built site at http://localhost:8000
	@test -f _build/html/index.html || { echo "There is no site yet: run 'make book' first."; exit 1; }
	$(PY) -m http.server --directory _build/html 8000

clean:  ## remove the built site and the record of executed chapters (keeps .venv)
	rm -rf _build

$(VENV)/.stamp: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with venv is needed and was not found; install it or pass PYTHON=/path/to/python."; exit 1; }
	@echo "Preparing $(VENV) with $$($(PYTHON) --version) (a few minutes the first time)"
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@if [ "$$(uname -s)" = Linux ] && [ -n "$(TORCH_INDEX)" ]; then \
	  spec=$$(grep -E '^torch==' requirements.lock); \
	  $(PY) -m pip show -q torch 2>/dev/null || \
	  $(PY) -m pip install -q --retries 0 --timeout 10 --index-url $(TORCH_INDEX) $$spec >/dev/null 2>&1 || \
	  echo "(the CPU-only torch index could not be used; taking torch from the default index)"; fi
	$(PY) -m pip install -qq --prefer-binary -r requirements.lock
	$(PY) -m pip install -qq --no-deps -e .
	@touch $@
