# make demo   serve the sample movies and play one
# make test   all tests, with the peers they need
# make check  ruff and mypy
# make bench  measure against other servers, write docs/benchmarks.md (20 minutes; leave the machine alone)
# make fuzz   feed everything that takes bytes from strangers with any bytes, for SECONDS each (60); TARGETS="url sdp"
# make soak   be hard on a server: connections by the thousand, readers that vanish or stop reading (4 minutes)
# make lock   pin the development environment anew

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test check bench fuzz soak format lock peers movies clean

demo: $(READY) movies
	@$(BIN)/python scripts/demo.py

# Tests start Python hundreds of times: what is compiled is kept. Peers play in real time, so two of their tests
# share two cores; all there is to cover, the others do.
test: export PYTHONDONTWRITEBYTECODE =
test: $(READY) peers
	@$(BIN)/python scripts/make_movies.py --out build/movies --only movie.Mjpeg movie.mp4 movie-bframes.mp4
	$(BIN)/python -m pytest -n 2 --dist worksteal --ignore tests/interop --cov --cov-report=term:skip-covered
	$(BIN)/python -m pytest -n 2 --dist worksteal tests/interop

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY) peers
	@sh scripts/install-packages gcc libc6-dev gstreamer1.0-tools
	@$(BIN)/python scripts/make_movies.py --out build/movies --only movie.mp4 bench-1080p.mp4 bench-720p.mp4
	$(BIN)/python -m scripts.bench

# Atheris has no wheel for every Python: it stands in a folder of its own, outside the lock.
SECONDS ?= 60
ATHERIS := build/fuzz/atheris

fuzz: $(READY)
	@[ -d $(ATHERIS) ] || $(BIN)/python -m pip install --quiet --no-deps --target $(ATHERIS) atheris
	PYTHONPATH=$(ATHERIS) $(BIN)/python -m scripts.fuzz --seconds $(SECONDS) $(TARGETS)

soak: $(READY)
	$(BIN)/python -m scripts.soak

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

movies: $(READY)
	@$(BIN)/python scripts/make_movies.py

# The programs that tests talk to: ffmpeg and GStreamer, from Debian's packages.
peers:
	@sh scripts/install-packages $$(sed 's/#.*//' scripts/debian-packages.txt)

# The lock has hashes and names no registry. The project itself is installed from this folder.
$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || sh scripts/install-packages python3-venv
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $(READY)

lock:
	$(BIN)/python -m pip install --quiet pip-tools
	$(BIN)/python -m piptools compile --quiet --upgrade --generate-hashes --strip-extras --extra dev \
	  --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-header \
	  --allow-unsafe --output-file requirements.txt pyproject.toml

clean:
	rm -rf $(VENV) build dist .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis
