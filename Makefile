# One target per need; `make` alone lists them.
TOOLS = PATH="$$(.ci/tools $(1)):$$PATH"

.PHONY: help build test race fuzz lint format processes bench measure peers front sim-long explore-long demo pictures comparison figures ci

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

build: ## the binary, as ./chatterbox
	go build -o chatterbox ./cmd/chatterbox

test: ## all tests that need nothing but Go
	go test ./...

race: ## the tests of all packages with goroutines under the race detector
	.ci/run race

fuzz: ## every fuzz target for ten seconds
	.ci/fuzz 10

lint: ## go vet and golangci-lint
	.ci/run vet lint

format: ## format all files
	$(call TOOLS) gofumpt -w $$(git ls-files '*.go' ':!test/embed')
	gofmt -w test/embed

processes: ## tests on real processes in network namespaces (root, nftables, iproute2)
	CHATTERBOX_PROCESSES=all go test -p 1 -count=1 -v ./test/... ./internal/netns

bench: ## every benchmark six times into bench.txt, and its summary by benchstat
	go test -run '^$$' -bench . -benchmem -count 6 ./... | tee bench.txt
	$(call TOOLS,bench) benchstat bench.txt

measure: ## a cluster of processes beside what this machine can carry at all
	go run ./cmd/chatterbox bench

peers: ## the same work on other systems, in one table (with redis-server where it is installed)
	cd bench/peers && go run .

front: ## what clients get, over HTTP, beside JetStream and etcd
	cd bench/peers && go run ./front

SIM_FIRST = 100000

sim-long: ## a million random runs in virtual time: hours; SIM_FIRST is the first seed
	.ci/simulate 500000 10000 $(SIM_FIRST)

explore-long: ## every order of events in larger small worlds: minutes, some GiB
	go test ./internal/proof/sim/explore -run LargeWorlds -large -v -timeout 2h

demo: ## five members, one cut, one heal
	go run ./cmd/chatterbox demo

pictures: ## the pictures of docs/pictures anew, each from its run
	.ci/pictures

comparison: ## the table of docs/comparison.md anew
	go test ./cmd/chatterbox -run ComparisonPage -rewrite

SOURCE = $(CURDIR)

figures: ## how much of the reducers there is to understand; SOURCE may be an earlier checkout
	go test ./internal/tidy -count=1 -run FiguresOfTheReducers -v -source $(SOURCE)

ci: ## all that must hold before a change lands
	.ci/run
