# make demo   the main job: synthetic city, three detectors, table and picture
# make test   install everything, run the tests       make test-all   the slow ones too
# make test-lowest  the method and the readers on the oldest versions that pyproject.toml allows
# make test-modern  the same and OpenMMLab's parts on Python 3.13 and the newest torch and numpy that fit
# make test-mmdet  installs MMDetection and runs what skips without it
# make reliability  the tables of docs/reliability.md, by the tests that they quote
# make bench  what SNR costs, on the CPU     make bench-gpu  the same and the kernels, on a GPU
# make results  docs/results.md and output/results.html from what is kept; PLANS="..." reads runs first
# make docs   these pages and an API reference, in output/docs: open its index.html
# make lint   style                                   make lock       pin anew
SHELL := /bin/bash
VENV := .venv
LOWEST := .venv-lowest
MODERN := .venv-modern
# Or the path of one, where uv cannot fetch it.
MODERN_PYTHON ?= 3.13
PYTHON := $(VENV)/bin/python
MAX_JOBS ?= $(shell nproc)
# Of the tests; each takes a core and 4 GB.
TEST_JOBS ?= 2
# Our own copy of uv where the machine has none; VIRTUAL_ENV would make it install elsewhere.
UV := env -u VIRTUAL_ENV $(or $(shell command -v uv 2>/dev/null),.uv/bin/uv)

.PHONY: demo test test-all test-lowest test-modern test-mmdet reliability bench bench-gpu results docs lint format lock clean

demo: $(VENV)/.detection
	$(PYTHON) tools/demo.py

test: $(VENV)/.all
	$(PYTHON) -m pytest -n $(TEST_JOBS) --dist loadfile

test-all: $(VENV)/.all
	$(PYTHON) -m pytest -m "" -n $(TEST_JOBS) --dist loadfile

# torch and the libraries alone, no framework; torchvision, of the same age, makes backbones to test.
test-lowest: pyproject.toml | uv
	$(UV) venv -q --allow-existing --python $$(cat .python-version) $(LOWEST)
	$(UV) pip install -q --python $(LOWEST)/bin/python --resolution lowest-direct -e . \
	  "torchvision>=0.18" "pytest>=8" "pytest-timeout>=2.3"
	$(LOWEST)/bin/python -m pytest tests/nn tests/data

# No build of Detectron2 installs there, and MMEngine finds no base of the form mmseg::...: what needs
# either skips with its reason.
test-modern: $(MODERN)/.all
	$(MODERN)/bin/python -W ignore -m pytest -n $(TEST_JOBS) --dist loadfile \
	  tests/nn tests/data tests/city tests/openmmlab tests/segmentation tests/classification

test-mmdet: $(VENV)/.mmdet
	$(PYTHON) -m pytest tests/openmmlab tests/segmentation -k "mmdet or Mask2Former"

reliability: $(VENV)/.all
	$(PYTHON) -m pytest -m fault --reliability

bench: $(VENV)/.all
	$(PYTHON) -W ignore -m benchmarks.speed

bench-gpu: $(VENV)/.all
	$(PYTHON) -W ignore -m benchmarks.speed --device cuda

results: $(VENV)/.detection
	$(PYTHON) tools/report.py $(PLANS)

# -W: a link to nowhere, or a name that has gone, is an error.
docs: $(VENV)/.docs
	$(PYTHON) -W ignore -m sphinx -q -W --keep-going -b html docs output/docs
	@echo "output/docs/index.html"

lint: $(VENV)/.all
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

format: $(VENV)/.all
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

lock: | uv
	for name in detection all docs mmdet modern; do $(UV) pip compile -q --generate-hashes \
	  --python-version $$([ $$name = modern ] && echo 3.13 || echo 3.10) \
	  --no-emit-index-url --custom-compile-command "make lock" \
	  requirements/$$name.in -o requirements/$$name.txt || exit 1; done

clean:
	rm -rf $(VENV) $(LOWEST) $(MODERN) .uv output demo

# --- installation: a stamp file each, so that a second run reinstalls nothing ---

# From /, where no .python-version makes pyenv look for a Python that uv has yet to fetch.
.PHONY: uv
uv:
	@command -v uv >/dev/null 2>&1 || [ -x .uv/bin/uv ] || { \
	  echo "Installing uv into .uv ..."; cd / && python3 -m venv "$(CURDIR)/.uv" && "$(CURDIR)/.uv/bin/pip" install -q uv; }

# pyvenv.cfg stands for the environment; touching bin/python would touch the system's interpreter.
$(VENV)/pyvenv.cfg: .python-version | uv
	$(UV) venv -q --allow-existing --python $$(cat .python-version) $(VENV)
	@touch $@

$(VENV)/.detection: requirements/detection.txt pyproject.toml setup.py $(VENV)/pyvenv.cfg
	@echo "Installing the detection stack (torch $$(sed -n 's/^torch==\([^ ]*\).*/\1/p' $<), Detectron2); about 3 GB the first time ..."
	$(UV) pip install --python $(PYTHON) --require-hashes -r $<
	$(UV) pip install -q --python $(PYTHON) --no-deps -e .
	@touch $@

$(VENV)/.all: requirements/all.txt $(VENV)/.detection
	@echo "Installing the segmentation stack; mmcv compiles its operators for 5 to 20 minutes ..."
	MAX_JOBS=$(MAX_JOBS) CFLAGS=-g0 CXXFLAGS=-g0 MMCV_WITH_OPS=1 \
	  $(UV) pip install --python $(PYTHON) --require-hashes -r $<
	@touch $@

$(MODERN)/.all: requirements/modern.txt pyproject.toml | uv
	$(UV) venv -q --allow-existing --python $(MODERN_PYTHON) $(MODERN)
	@echo "Installing the modern stack; mmcv compiles its operators for 5 to 20 minutes ..."
	MAX_JOBS=$(MAX_JOBS) CFLAGS=-g0 CXXFLAGS=-g0 MMCV_WITH_OPS=1 \
	  $(UV) pip install --python $(MODERN)/bin/python --require-hashes -r $<
	$(UV) pip install -q --python $(MODERN)/bin/python --no-deps -e .
	@touch $@

$(VENV)/.docs: requirements/docs.txt $(VENV)/.all
	$(UV) pip install -q --python $(PYTHON) --require-hashes -r $<
	@touch $@

$(VENV)/.mmdet: requirements/mmdet.txt $(VENV)/.all
	$(UV) pip install -q --python $(PYTHON) --require-hashes -r $<
	@touch $@
