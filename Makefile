# Everything a person does with a checkout. `make help` lists it.

PYTHON ?= python3
TASK ?= multitask
# Processes that run the tests.
WORKERS ?= 2
PYTEST_ARGS ?=
# Another package index for torch and torchvision alone, for those who want CPU builds.
TORCH_INDEX ?=

VENV := .venv
BIN := $(VENV)/bin
# The config of a task is named after it, but for the tags.
NAME_tags := multilabel
CONFIG := configs/quickstart/$(or $(NAME_$(TASK)),$(TASK))_digit_scenes.py
WORK_DIR := work_dirs/quickstart_$(TASK)
# Stamps: made anew when the dependencies change, otherwise an installation happens once.
INSTALLED := $(VENV)/.installed
INSTALLED_TEST := $(VENV)/.installed-test
METADATA := setup.cfg setup.py pyproject.toml

export NO_ALBUMENTATIONS_UPDATE := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help install install-test quickstart task-known test check packaging format clean distclean

help:  ## list the targets
	@echo "make TARGET [VARIABLE=value ...]"
	@echo
	@sed -n 's/^\([a-z][a-z-]*\):.*##/\1|/p' $(firstword $(MAKEFILE_LIST)) | awk -F'|' '{printf "  %-12s %s\n", $$1, $$2}'
	@echo
	@echo "  PYTHON=$(PYTHON)   the Python, 3.10 to 3.13, that $(VENV) is made with"
	@echo "  TORCH_INDEX=URL  take torch and torchvision from this package index (CPU builds, say)"
	@echo "  TASK=$(TASK)         what quickstart trains: multitask, cls, tags or det, as configs/quickstart has them"
	@echo "  WORKERS=$(WORKERS)        processes that run the tests; PYTEST_ARGS=... is passed on to pytest"

install: $(INSTALLED)  ## make .venv and install the package, editable

install-test: $(INSTALLED_TEST)  ## the same with what tests and checks need

quickstart: task-known $(INSTALLED)  ## train, evaluate and predict on the embedded data set; draws a picture
	$(BIN)/python tools/train.py $(CONFIG) --work-dir $(WORK_DIR) --channels-last
	$(BIN)/python tools/test.py $(CONFIG) $(WORK_DIR)/best.pth
	rm -rf $(WORK_DIR)/drawn
	$(BIN)/python tools/predict.py $(WORK_DIR)/best.pth \
		$$(ls data/digit_scenes/val/*.png | head -n 16) \
		--out $(WORK_DIR)/predictions.json --draw $(WORK_DIR)/drawn
	@test -f $(WORK_DIR)/drawn/predictions.png || { \
		echo "error: predict drew nothing into $(WORK_DIR)/drawn" >&2; exit 1; }
	@echo; echo "The predictions, drawn: $(CURDIR)/$(WORK_DIR)/drawn/predictions.png"

task-known:
	@test -f $(CONFIG) || { \
		echo "error: no quickstart for TASK=$(TASK). There are:" \
			$(patsubst multilabel,tags,$(patsubst configs/quickstart/%_digit_scenes.py,%,$(wildcard configs/quickstart/*_digit_scenes.py))) >&2; \
		exit 1; }

test: $(INSTALLED_TEST)  ## run all tests
	$(BIN)/python -m pytest -n $(WORKERS) $(PYTEST_ARGS)

check: $(INSTALLED_TEST)  ## format, lint, types, order of imports, every config loads
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_import_order.py tests/configs

packaging: $(INSTALLED_TEST)  ## install in three ways (editable, from the clone, from a wheel) and find a config
	$(BIN)/python .ci/check_installs.py

format: $(INSTALLED_TEST)  ## let ruff format and mend what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:  ## remove build products and caches
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find tresnet_tasks configs tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean  ## also remove .venv; data and trained weights stay
	rm -rf $(VENV)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; \
		sys.exit(None if (3, 10) <= v <= (3, 13) else "error: $(PYTHON) is Python %d.%d, and this needs 3.10 to 3.13. " \
		"Name another: make $(MAKECMDGOALS) PYTHON=python3.12" % v)'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "error: $(PYTHON) -m venv failed; see above" >&2; exit 1; }

$(INSTALLED): $(METADATA) | $(BIN)/python
	$(call pip_install,.)
	@touch $@

$(INSTALLED_TEST): $(METADATA) | $(BIN)/python
	$(call pip_install,.[test])
	@touch $(INSTALLED) $@

# mmcv-lite pulls opencv-python, albumentations opencv-python-headless; both write the folder cv2, and the former wants
# libGL, which slim containers lack. Removing either takes files of the other away: so both go, and the headless returns.
define pip_install
$(if $(TORCH_INDEX),$(BIN)/python -m pip install torch torchvision --index-url $(TORCH_INDEX))
$(BIN)/python -m pip install -e '$(1)'
@if $(BIN)/python -m pip show -q opencv-python 2>/dev/null; then \
	set -ex; \
	$(BIN)/python -m pip uninstall -q -y opencv-python opencv-python-headless; \
	$(BIN)/python -m pip install -q --no-deps 'opencv-python-headless>=4.9'; \
fi
@$(BIN)/python -c 'import cv2'
endef
