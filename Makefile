.DEFAULT_GOAL := help
.PHONY: help setup lab test fuzz bench check lock clean

# What a recipe does beyond two lines is a script in .ci/.

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Get this machine ready for development: Debian packages, .venv, .venv-ryu, Open vSwitch (as root)
	@.ci/setup test

lab: ## Contain a rogue host on a Mininet campus and watch it happen (as root)
	@.ci/setup lab
	@.venv/bin/netcordon lab run rogue-host

test: check ## Check, then run every level of the tests (ARGS='-k word' goes to pytest)
	@.ci/test $(ARGS)

fuzz: setup ## Ten thousand inputs for each reader of what comes in (SHORT=1: minutes; SEED=N: again; ARGS='-k zeek')
	@SHORT=$(SHORT) SEED=$(SEED) .ci/fuzz $(ARGS)

bench: setup ## Measure it beside Ryu's rest_firewall (as root; SHORT=1 takes two minutes; ARGS='--json FILE')
	@.venv/bin/python -m tests.bench $(if $(SHORT),--short) $(ARGS)
	@.venv/bin/python -m tests.bench.scale $(if $(SHORT),--short)
	@.venv/bin/python -m tests.bench.discover $(if $(SHORT),--short)
	@.venv/bin/python -m tests.bench.command_lines

check: setup ## Lint, format, types, import arrows
	@.ci/check

lock: ## Write requirements/*.txt from pyproject.toml (UPGRADE=1 takes newer versions)
	@.ci/lock

clean: ## Remove .venv, .venv-ryu, caches and builds; leaves Open vSwitch and its switches alone
	rm -rf .venv .venv-ryu build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find controller drivers topologies labs tests -name __pycache__ -type d -prune -exec rm -rf {} +
