# The two main commands are `make demo` and `make test`; `make help` lists the rest.

PYTHON ?= python3
VENV := target/venv
# What the tests open exported tables with, and hold numbers to. Pinned, so that a test that passed yesterday passes today.
PACKAGES := duckdb==2.0.1 pandas==3.1.1 pyarrow==26.0.1 polars==2.1.0 fastparquet==2026.9.0 pillow==13.0.0 numpy==2.4.6 scipy==1.17.1 onnxruntime==1.31.1 onnx==1.23.2 \
	mypy==2.4.1 nbformat==5.11.1 nbclient==0.11.0 ipykernel==7.4.0 datasets==5.2.0 mlcroissant==1.1.1
# For the tests with Ray alone: 100 MB.
RAY := 'ray[data]==2.60.0' pyarrow==26.0.1 pandas==3.1.1 numpy==2.4.6
# What benchmarks stand beside; DuckDB's extension for SQLite is of that version alone.
PEERS := duckdb==1.5.5 duckdb-extension-sqlite-scanner==1.5.5 pyarrow==26.0.1 numpy==2.4.6 pillow==13.0.0 onnxruntime==1.31.1 onnx==1.23.2
# What published evaluations run. The wheels of the registry bring CUDA with them, so this is not installed unasked.
TORCH := torch==2.15.0 transformers==5.24.0 pillow==13.0.0 numpy==2.4.6
# Peers are found by their Python; where there is no torch, its line is left out.
BENCH = MSDATA_PYTHON=$(CURDIR)/target/peers/bin/python MSDATA_TORCH_PYTHON=$(CURDIR)/target/torch/bin/python cargo bench --locked
# What builds the wheel; zig links it for an old glibc.
WHEEL := maturin==1.16.0 ziglang==0.17.1

.PHONY: help demo test fuzz test-ray test-browser browser check setup onnxruntime format lint docs audit bench bench-rows bench-images \
	bench-growth bench-large bench-torch bench-quick install wheel clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: onnxruntime ## the main job: draw a stress test, embed, score and report it, make the page (in target/demo)
	cargo build --locked --bin msdata
	rm -rf target/demo
	target/debug/msdata demo target/demo

test: setup ## every test, with doc tests and the exported tables opened by DuckDB, pandas, pyarrow, Polars
	MSDATA_PYTHON=$(CURDIR)/$(VENV)/bin/python cargo test --locked

fuzz: ## feed mutated input to the readers, four minutes per target (tests/fuzz has the same targets for cargo fuzz)
	MSDATA_FUZZ_SECONDS=240 cargo test --locked --test it -- --nocapture fuzz::

test-ray: onnxruntime ## embedding with a Ray of its own (in target/ray)
	$(PYTHON) -m venv target/ray
	target/ray/bin/pip install --quiet --disable-pip-version-check $(RAY)
	MSDATA_RAY_PYTHON=$(CURDIR)/target/ray/bin/python cargo test --locked --test it -- ray::

test-browser: browser ## the report page in Chromium: keyboard, mouse, accessibility, hostile data
	MSDATA_BROWSER=$(CURDIR)/target/browser/node_modules cargo test --locked --test browser -- --nocapture

browser:
	sh scripts/setup_browser.sh

check: format lint test docs ## what must pass before a commit

setup: onnxruntime $(VENV)/.installed ## ONNX Runtime (in the data directory) and the tests' Python packages (in target/venv)

onnxruntime:
	sh scripts/setup_onnxruntime.sh

$(VENV)/.installed: Makefile
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check $(PACKAGES)
	@touch $@

format:
	cargo fmt --check

lint:
	cargo clippy --locked --all-targets -- -D warnings

docs:
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --lib

audit: ## licences and advisories (cargo-deny) and spelling (typos); both tools must be installed
	cargo deny --locked check --config .cargo/deny.toml
	typos --config .config/typos.toml

# The parts can be run alone; all need an idle machine and do not run side by side.
bench: bench-rows bench-images bench-growth bench-large ## the measurements of docs/performance.md, each beside its peer; takes an hour and a quarter

bench-rows: setup target/peers/.installed ## rows, scores, reports, intervals, duplicates: ten minutes
	$(BENCH) --bench catalog --bench coverage --bench duplicates

bench-images: setup target/peers/.installed ## embedding, decoding, windows, and their memory: a quarter of an hour
	$(BENCH) --bench embedding
	$(BENCH) --bench embedding -- decode
	$(BENCH) --bench embedding -- memory
	$(BENCH) --bench embedding -- windows

bench-growth: setup target/peers/.installed ## every command from 675 images to 675,000 (table and figure in target/growth): a quarter of an hour
	cargo build --locked --release --bin msdata
	target/peers/bin/python benches/growth.py target/release/msdata target/growth

bench-large: setup target/peers/.installed ## every command that reads, on ten million generations: forty minutes and 12 GB in target/large
	cargo build --locked --release --bin msdata
	rm -rf target/large
	mkdir -p target/large
	target/release/msdata -q init target/large/data
	target/peers/bin/python benches/large_catalog.py target/large/data --vectors target/large/vectors.parquet
	target/release/msdata -q -d target/large/data ingest --no-embed --embeddings target/large/vectors.parquet || test $$? = 3
	rm target/large/vectors.parquet
	target/peers/bin/python benches/ten_million.py target/release/msdata target/large/data --lab target/large --limit 300 --minutes 34
	rm -rf target/large

bench-torch: ## a Python with torch and transformers (several GB), which bench-images then measures too
	$(PYTHON) -m venv target/torch
	target/torch/bin/pip install --quiet --disable-pip-version-check $(TORCH)

target/peers/.installed: Makefile
	$(PYTHON) -m venv target/peers
	target/peers/bin/pip install --quiet --disable-pip-version-check $(PEERS)
	@touch $@

bench-quick: ## instructions of some commands against those in benches/quick.json, with the build of the tests; needs valgrind
	cargo build --locked --bin msdata
	$(PYTHON) scripts/bench_quick.py target/debug/msdata

install: ## msdata, optimised, into cargo's bin directory
	cargo install --locked --path .

wheel: ## a wheel for pip, with the program inside (in target/wheels); a first build takes some 20 minutes
	$(PYTHON) -m venv target/maturin
	target/maturin/bin/pip install --quiet --disable-pip-version-check $(WHEEL)
	PATH="$(CURDIR)/target/maturin/bin:$$PATH" maturin build --release --locked --out target/wheels \
		$(if $(filter Linux,$(shell uname -s)),--zig --compatibility manylinux_2_28)

clean: ## remove everything that was built
	cargo clean
