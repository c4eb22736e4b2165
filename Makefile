# Everything builds without cgo; make help lists what there is.
export CGO_ENABLED := 0
TOOL     := go tool -modfile=tools.mod
SQLC     := go tool -modfile=$(CURDIR)/tools.mod sqlc
FUZZTIME ?= 30s

.PHONY: help build demo deps test check generate model bench mutants accept pictures crash-long sim-long fuzz fuzz-gate clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## the program, as bin/smtp-sync; a cold build names each package as it is done
	go build -v -trimpath -o bin/smtp-sync .

demo: build ## the whole service on this machine, nothing to configure: sign in at the printed address
	@./bin/smtp-sync demo

deps: ## the servers and the browser of the tests (Dovecot, Exim, Postgres, Chromium, from Debian), where they are missing
	@bash .ci/deps

test: deps ## all tests
	go test -shuffle=on -timeout 15m ./...

check: ## format, vet, go fix, staticcheck, architecture, generated files, the model
	@bash .ci/silent "gofmt -w these files" gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go')
	go vet ./...
	go vet -tags crashpoints ./internal/bridge
	go fix -diff ./...
	$(TOOL) staticcheck ./...
	go test -count=1 -run '^TestArch' .
	go run ./internal/tools/configdoc
	go run ./internal/tools/shippedrules
	cd internal/store/sqlite && $(SQLC) diff
	cd internal/store/postgres && $(SQLC) diff
	go run ./internal/tools/model

generate: ## the files that are printed from others
	go run ./internal/tools/configdoc -w
	go generate ./plugins/shipped
	cd internal/store/sqlite && $(SQLC) generate
	cd internal/store/postgres && $(SQLC) generate

model: ## the exactly-once model with its rejected alternatives (needs spin and gcc)
	go run ./internal/tools/model -all

bench: deps ## the product beside a pipe that keeps no books (needs Dovecot; takes minutes)
	go run ./bench -scenario throughput
	go run ./bench -scenario large

mutants: ## take each protection out and see a test fail
	go run ./internal/tools/mutants

accept: deps ## what stands behind the "done" lines of every resolved issue, with figures
	go run ./internal/tools/accept

pictures: deps ## every page in every state, light and dark, wide and narrow, as PNG under bin/_artifacts
	@mkdir -p bin
	go test -count=1 -v -run 'TestEveryPageIsAccessibleAndFits|TestAStrangerFollowsTheDemo' -artifacts -outputdir $(CURDIR)/bin ./internal/e2e

crash-long: deps ## a thousand kills that hit work in flight
	SMTP_SYNC_TEST_KILLS=1000 go test -count=1 -v -timeout 60m -run KilledAtRandom ./internal/e2e

sim-long: ## the engine's simulation: 30 days of 100 mailboxes, many seeds
	SMTP_SYNC_SIM_DAYS=30 SMTP_SYNC_SIM_MAILBOXES=100 SMTP_SYNC_SIM_SEEDS=200 go test -count=1 -v -timeout 120m ./internal/sim

fuzz: ## every fuzz target for FUZZTIME each
	@bash .ci/fuzz $(FUZZTIME)

fuzz-gate: ## a million mutated modules of every toolchain through the gate; what passes is compiled and run
	SMTP_SYNC_TEST_GATE=1000000 go test -count=1 -v -timeout 12h -run MutatedModulesOfEveryToolchain -coverpkg=./plugins/gate ./plugins/examples

clean: ## what build made
	rm -rf bin
