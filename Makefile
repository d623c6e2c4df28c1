# Two commands on a fresh machine: `make demo` and `make test`. Both build the locked environment.

.PHONY: demo test lock clean

BIN := .venv/bin
# uv of the machine where there is one that runs, else one of our own in .uv
UV := $(shell uv --version >/dev/null 2>&1 && echo uv || echo .uv/bin/uv)

demo: .venv/.ready
	$(BIN)/auricle run pipeline/workflows/demo.yaml

test: .venv/.ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest

.venv/.ready: requirements.lock pyproject.toml
	@$(UV) --version >/dev/null 2>&1 || echo "bringing uv into .uv"
	@$(UV) --version >/dev/null 2>&1 \
		|| python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --target .uv uv \
		|| { python3 -m venv .uv && .uv/bin/python -m pip install --quiet uv; }
	$(UV) venv --quiet --allow-existing --python 3.10 .venv
	$(UV) pip sync --quiet --compile-bytecode --require-hashes requirements.lock
	$(UV) pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# Resolves the dependencies of pyproject.toml anew. The lock holds hashes and no host names.
lock:
	$(UV) pip compile pyproject.toml --quiet --upgrade --group dev --generate-hashes \
		--no-emit-index-url --no-annotate --no-header \
		--python-version 3.10 --python-platform x86_64-manylinux_2_28 -o requirements.lock

clean:
	rm -rf .venv .uv dist
