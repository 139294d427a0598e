# make run     opens the app (makes .venv first: Python 3.11 or newer and make are all it needs)
# make test    ruff, mypy and the tests
# make test-real, make test-claude, make bench, make bench-lists, make bench-replay, make bench-peers: see tests/real, tests/claude, tests/bench
# make kills, make soak, make fuzz: what breaks it? (README, Faults)
# make lock    pins every package by its hash into requirements.lock; LOCKED=1 installs those very ones
# make audit   asks for known vulnerabilities of what is pinned
# make truth   how true a reprice is (tests/replay/test_truth.py); make truth-real: on llama.cpp's own server

VENV := .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
PY := $(BIN)/python
AUDIT := $(subst $(VENV)/,$(VENV)/audit/,$(BIN))
PIP := $(PY) -m pip install --quiet --disable-pip-version-check
# The first of these that runs and is new enough; `make PYTHON=...` names another.
PYTHONS := $(if $(PYTHON),$(PYTHON),python3.13 python3.12 python3.11 python3.14 python3 python)
ARGS ?=
# As pip does with what it copies: where PYTHONDONTWRITEBYTECODE is set, each start would compile 170 modules, for 0.4 s.
COMPILED := $(PY) -m compileall -q ccr_tui || :
INSTALL_PINNED := $(if $(LOCKED),$(PIP) --require-hashes -r requirements.lock,:)

.PHONY: run test check pytest test-real test-claude bench bench-lists bench-replay bench-peers kills soak fuzz traces truth truth-real lock audit clean

run: $(VENV)/.installed
	@$(BIN)/ccr-tui $(ARGS)

test: check pytest

check: $(VENV)/.installed-test
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy --strict

pytest: $(VENV)/.installed-test
	@$(PY) -m pytest -n auto --dist worksteal $(ARGS)

test-real: $(VENV)/.installed-test
	@$(PY) -m pytest tests/real -m real -rs $(ARGS)

test-claude: $(VENV)/.installed-test
	@$(PY) -m pytest tests/claude tests/transfer/test_transcripts.py -m 'claude or ccusage' -rs $(ARGS)

# The README's table of how true a reprice is.
truth: $(VENV)/.installed-test
	@PYTHONPATH=.:tests:tests/replay $(PY) tests/replay/test_truth.py

# The same against llama.cpp's own server (two wheels of 127 MB, once; some minutes).
truth-real: $(VENV)/.installed-test
	@PYTHONPATH=.:tests:tests/real $(PY) tests/real/test_real_reprice.py

bench: $(VENV)/.installed-test
	@$(PY) tests/bench/bench.py $(ARGS)
	@$(PY) tests/bench/lists.py --traces 50000

kills: $(VENV)/.installed-test
	@CCR_TEST_LIVES=100 $(PY) -m pytest tests/e2e/test_store_faults.py -k kill_9 $(ARGS)

soak: $(VENV)/.installed-test
	@$(PY) tests/bench/soak.py $(ARGS)

fuzz: $(VENV)/.installed-test
	@$(PIP) --only-binary :all: 'atheris>=3,<4' || { \
	  echo "atheris has no wheel for this system and Python; \`make pytest ARGS=tests/fuzz\` replays the corpus without it." >&2; \
	  exit 1; }
	@$(PY) tests/fuzz/fuzz.py $(ARGS)

bench-lists: $(VENV)/.installed-test
	@$(PY) tests/bench/lists.py $(ARGS)

bench-replay: $(VENV)/.installed-test
	@$(PY) tests/bench/replays.py $(ARGS)

bench-peers: $(VENV)/.installed-test
	@$(PY) tests/bench/peers.py $(ARGS)

# Records the sessions of traces/ anew, with a real small model.
traces: $(VENV)/.installed-test
	@$(PY) traces/record.py $(ARGS)

lock: $(VENV)/.made
	@$(PIP) uv
	@{ head -n 1 requirements.lock; $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url \
	  --no-header --no-annotate --extra test pyproject.toml; } > requirements.lock.new
	@mv requirements.lock.new requirements.lock

# In a place of its own, so that it changes nothing of what is tested; a registry that can't be reached is said.
audit: $(VENV)/.made
	@$(PY) -m venv $(VENV)/audit
	@if $(AUDIT)/python -m pip install --quiet --disable-pip-version-check pip-audit; \
	  then $(PY) tests/audit.py $(AUDIT)/pip-audit; else echo "audit skipped: pip-audit can't be installed here"; fi

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache

# The stamps: made when the step before them has gone through, so that a second call installs nothing, and an
# interrupted one starts that step again.

$(VENV)/.made:
	@set -e; for python in $(PYTHONS); do \
	  if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "ccr-tui needs Python 3.11 or newer; none of these is one: $(PYTHONS). Install it, or call make PYTHON=/path/to/python3." >&2; exit 1; \
	fi; \
	echo "making $(VENV) with $$($$found --version)" >&2; \
	$$found -m venv --clear $(VENV) || { \
	  echo "$$found could not make a virtual environment (on Debian and Ubuntu: install the package python3-venv)." >&2; exit 1; }
	@touch $@

$(VENV)/.installed: $(VENV)/.made pyproject.toml
	@echo "installing ccr-tui (once)" >&2
	@$(INSTALL_PINNED)
	@$(PIP) --editable .
	@$(COMPILED)
	@touch $@

$(VENV)/.installed-test: $(VENV)/.made pyproject.toml
	@echo "installing ccr-tui and what its tests need (once)" >&2
	@$(INSTALL_PINNED)
	@$(PIP) --editable '.[test]'
	@$(COMPILED)
	@touch $@ $(VENV)/.installed
