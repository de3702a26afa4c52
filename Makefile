# suoke: `make help` lists the targets. `make run` and `make test` do everything on a fresh machine.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

TOOL := go tool -modfile=tools/go.mod
# What failed is said once more at the end.
TEST := $(TOOL) gotestsum --format-hide-empty-pkg
CLUSTER := .local/cluster
ONNXRUNTIME := build/onnxruntime/libonnxruntime.so.1
# Go's record of the checkout needs git to trust it, which it does not under sudo.
export GOFLAGS := -buildvcs=false $(GOFLAGS)
export KUBEBUILDER_ASSETS := $(CURDIR)/build/cluster/assets
export ONNXRUNTIME_LIB := $(CURDIR)/$(ONNXRUNTIME)
export PATH := $(KUBEBUILDER_ASSETS):$(PATH)
# Go fetches the toolchain that go.mod names, whatever the machine's settings.
export GOTOOLCHAIN := auto
# sudo resets PATH, and loses the place where Go's own installation lies.
ifeq ($(shell command -v go),)
export PATH := $(PATH):/usr/local/go/bin
endif

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: export KUBECONFIG := $(CURDIR)/$(CLUSTER)/kubeconfig
run: up models ## Start a cluster, deploy, publish the models, run the demo; the system stays up
	k8s/deploy-agents-autoscaling.sh deploy --profile local
	bin/suoke model push --all build/models --datasets build/datasets
	bin/suoke demo

.PHONY: up
up: build images ## Start the local cluster and load the images into it
	bin/suoke up --dir $(CLUSTER)
	bin/suoke image load --cluster-dir $(CLUSTER)

.PHONY: down
down: ## Stop the local cluster and remove what it left
	bin/suoke down --dir $(CLUSTER)

.PHONY: prerequisites
prerequisites: ## Install what is missing (apt), or name it
	@hack/prerequisites.sh

.PHONY: build
build: prerequisites ## Build bin/suoke and bin/model-server
	CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o bin/suoke ./cmd/suoke
	CGO_ENABLED=1 go build -trimpath -ldflags="-s -w" -o bin/model-server ./cmd/model-server

.PHONY: plugin
plugin: build ## Make bin/suoke a plugin of kubectl: kubectl suoke, where bin/ is in PATH
	ln -sf suoke bin/kubectl-suoke
	ln -sf suoke bin/kubectl_complete-suoke

.PHONY: cluster
cluster: prerequisites ## Build the local cluster's programs: Kubernetes, containerd, runc
	@localcluster/build.sh build/cluster

.PHONY: onnxruntime
onnxruntime: prerequisites ## Fetch ONNX Runtime
	@test -e $(ONNXRUNTIME) || hack/onnxruntime/fetch.sh $(dir $(ONNXRUNTIME))

.PHONY: images
images: build onnxruntime ## Build the container images into build/images
	bin/suoke image build --out build/images

.PHONY: models
models: prerequisites ## Train the models of the examples into build/models (reproducible)
	go run ./models --out build

.PHONY: generate
generate: ## Generate deepcopy, CRDs and k8s/
	$(TOOL) controller-gen object paths=./api/v1
	$(TOOL) controller-gen crd:allowDangerousTypes=true paths=./api/v1 output:crd:stdout > internal/manifest/templates/ai-model-version-crd.yaml
	go run ./cmd/suoke render --profile production k8s
	go run ./cmd/suoke render --profile local k8s/local

.PHONY: lint
lint: ## Run the linters
	$(TOOL) golangci-lint run ./...
	cd localcluster && go tool -modfile=../tools/go.mod golangci-lint run --config ../.golangci.yml ./...

.PHONY: verify
verify: generate lint ## Check that generated files are up to date and linters are clean
	git diff --exit-code

.PHONY: test
test: unit e2e ## Run every test: unit, API server and end-to-end on a real cluster

.PHONY: unit
unit: cluster onnxruntime ## Run the tests of packages; some start an API server
	$(TEST) -- -race $$(go list ./... | grep -v '/test/\(crash\|scale\)$$')
	$(TEST) -- ./test/crash ./test/scale
	cd localcluster && $(subst tools/,../tools/,$(TEST)) -- ./internal/... ./cmd/localcluster

.PHONY: e2e
e2e: cluster images models ## Run the end-to-end tests on a cluster of their own
	$(TEST) --format=standard-verbose -- -count=1 -timeout=50m -parallel=4 ./test/e2e -e2e

.PHONY: crash
crash: cluster ## Break the operator at every write and call of every kind of release (make unit takes a sample)
	go test -count=1 -timeout=120m ./test/crash -all

.PHONY: bench
bench: cluster ## Run the benchmarks; the last is a thousand releases on one operator
	go test -run='^$$' -bench=. -benchmem ./internal/...
	go test -run='^$$' -bench=. -benchtime=1x -timeout=25m ./test/scale

.PHONY: clean
clean: ## Remove what was built
	rm -rf bin build
