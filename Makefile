# One door to everything. A target is a line or two; what needs more is a script in tests/scripts.

SEED ?= 1
# the binary that prints the CRD, and the folder where the result is kept
DICOMENC = cargo run --quiet --locked --bin dicomenc --

.PHONY: help demo playground test check crd simulate bench soak fidelity fidelity-azurerm image mutants deny

help: ## What can be made
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 25

demo: ## The main job as a story, on a real API server and a simulated Azure
	@tests/scripts/demo

playground: ## The same estate to try things by hand, until Ctrl-C; source target/demo/env in another shell
	@tests/scripts/playground

test: ## Everything that CI runs before fidelity: check, then all tests
	@tests/scripts/test

check: ## Formatting and lints, without running a test
	@tests/scripts/check

crd: ## Generate crds/ from the Rust types
	$(DICOMENC) crd > target/dicomencryptions.yaml && mv target/dicomencryptions.yaml crds/dicomencryptions.yaml

simulate: ## One random run of the whole operator on virtual time: make simulate SEED=42
	DICOMENC_SEED=$(SEED) cargo test --locked --test it seeded_run -- --nocapture

bench: ## The figures of docs/benchmarks.md, and target/bench/results.json
	@tests/scripts/bench

soak: ## Ten thousand seeded schedules of losses, returns, restarts and faults, in virtual time
	@tests/scripts/bench soak 10000

fidelity: ## What others wrote, against the simulator: Microsoft's SDKs, az, Terraform and oav
	@tests/scripts/fidelity

fidelity-azurerm: ## The same with HashiCorp's azurerm provider, which takes 20 minutes to build, once
	@tests/scripts/fidelity-azurerm

image: ## Build the container image and inspect it
	@tests/scripts/image

mutants: ## Mutation testing of the decisions
	@tests/scripts/need cargo cc cargo-mutants
	cargo mutants --package dicomenc --file 'src/domain/**' --output target

deny: ## Licences, sources, advisories and duplicates of the dependencies
	@tests/scripts/need cargo cargo-deny
	cargo deny --locked check
