# make demo   set up what is missing, then run the demonstration
# make test   set up what is missing, then run the C++ and the Python tests
# make lint   formatters, linters and type checker, without changing anything
# make docs   build the documentation in build/docs; a warning or a broken link within it is an error
# make linkcheck  ask for every address outside that the documentation names; needs a network
# make figures  write the figures of docs/results into the pages that show them
# make format rewrite the sources as the formatters want them
# make bench  set up what is missing, then run the benchmarks beside their peers (benchmarks/README.md)
# make gpu-check  with the Python of a GPU machine's torch: build the core, test and time it there; installs nothing

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The peer that networks and optimizers are compared with, where its own pins of NumPy and others do no harm.
KERAS_VENV := .venv-keras
KERAS_PYTHON := $(abspath $(KERAS_VENV))/bin/python
BUILD := build/dev
SOURCES := $(shell find cpp -type f) CMakeLists.txt pyproject.toml
CPP_TESTS := $(shell find tests/cpp -type f)
CPP_FILES := $(filter %.h %.cpp,$(SOURCES) $(CPP_TESTS))
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
INSTALL := $(PIP) --no-build-isolation -C build-dir=$(BUILD)

.PHONY: demo test test-cpp test-python lint docs linkcheck figures format bench bench-frontend bench-training \
	bench-evaluation bench-search bench-explain bench-keras bench-accuracy gpu-check clean

demo: $(VENV)/installed
	$(BIN)/siamaudio demo --out out

test: test-cpp test-python

test-cpp: $(VENV)/installed-tests
	$(BIN)/ctest --test-dir $(BUILD) --output-on-failure --no-tests=error

# What is fast first: a mistake shows early. Each of JOBS processes has one thread: more would wait for each other.
JOBS ?= 2
PYTEST := OMP_NUM_THREADS=1 SIAMAUDIO_KERAS_PYTHON=$(KERAS_PYTHON) $(BIN)/python -m pytest -n $(JOBS)
test-python: $(VENV)/installed-tests $(KERAS_VENV)/installed
	$(PYTEST) -m "not slow"
	$(PYTEST) -m slow

lint: $(VENV)/installed-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run --Werror $(CPP_FILES)
	$(BIN)/python tools/clang_tidy.py $(BUILD)

docs: $(VENV)/installed-tests
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs build/docs

linkcheck: $(VENV)/installed-tests
	$(BIN)/python -m sphinx -q -b linkcheck docs build/linkcheck

figures:
	$(PYTHON) tools/measured.py

format: $(VENV)/installed-tests
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(CPP_FILES)

bench: bench-frontend bench-training bench-evaluation bench-search bench-explain

# The peers' BLAS chooses its own kernels, whatever the shell says.
bench-frontend: $(VENV)/installed-bench
	env -u OPENBLAS_CORETYPE $(BIN)/python benchmarks/bench_frontend.py

bench-training: $(VENV)/installed-bench $(KERAS_VENV)/installed
	env -u OPENBLAS_CORETYPE SIAMAUDIO_KERAS_PYTHON=$(KERAS_PYTHON) $(BIN)/python benchmarks/bench_training.py

bench-evaluation: $(VENV)/installed-bench $(KERAS_VENV)/installed
	env -u OPENBLAS_CORETYPE SIAMAUDIO_KERAS_PYTHON=$(KERAS_PYTHON) $(BIN)/python benchmarks/bench_evaluation.py

bench-explain: $(VENV)/installed-bench $(KERAS_VENV)/installed
	env -u OPENBLAS_CORETYPE SIAMAUDIO_KERAS_PYTHON=$(KERAS_PYTHON) $(BIN)/python benchmarks/bench_explain.py

bench-search: $(VENV)/installed-bench
	env -u OPENBLAS_CORETYPE $(BIN)/python benchmarks/bench_search.py

# Accuracy against seconds; a measurement of minutes, and therefore no part of bench. MINUTES=30 takes longer.
MINUTES ?= 10
bench-keras: $(VENV)/installed-bench $(KERAS_VENV)/installed
	env -u OPENBLAS_CORETYPE SIAMAUDIO_KERAS_PYTHON=$(KERAS_PYTHON) $(BIN)/python benchmarks/bench_keras.py --minutes $(MINUTES)

gpu-check:
	$(PYTHON) tools/gpu_check.py

# An hour or more, and therefore no part of bench; it goes on where it was stopped.
bench-accuracy: $(VENV)/installed-bench
	$(BIN)/python benchmarks/bench_accuracy.py

clean:
	rm -rf build out $(VENV) $(KERAS_VENV)

$(VENV)/tools:
	tools/install-system-packages.sh build
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade "pip>=23.1" # the first that knows -C; Debian 12 has 23.0
	$(PIP) cmake ninja "pybind11>=3" "scikit-build-core>=0.11" torch==2.13.0
	touch $@

$(VENV)/installed: $(VENV)/tools $(SOURCES)
	$(INSTALL) -e .
	touch $@

$(VENV)/test-tools: $(VENV)/tools
	tools/install-system-packages.sh test
	touch $@

$(VENV)/installed-tests: $(VENV)/test-tools $(SOURCES) $(CPP_TESTS)
	$(INSTALL) -C cmake.define.SIAMAUDIO_TESTS=ON -C cmake.define.SIAMAUDIO_WERROR=ON -e ".[test,dev]"
	touch $(VENV)/installed $@

$(KERAS_VENV)/installed:
	$(PYTHON) -m venv $(KERAS_VENV)
	$(KERAS_PYTHON) -m pip --disable-pip-version-check install --quiet tensorflow-cpu==2.21.0 keras==3.15.1
	touch $@

$(VENV)/installed-bench: $(VENV)/tools $(SOURCES)
	$(INSTALL) -e ".[bench,explain,search]"
	touch $(VENV)/installed $@
