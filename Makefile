# Everything here needs Go, gcc and make; the tests install what else they start.

GO          ?= go
BENCH       ?= .
BENCHTIME   ?= 2s
FUZZTIME    ?= 10s
SIM         ?= 20
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
PASSPHRASE  := onboard-passphrase

.PHONY: help demo test sim vault check fmt vet staticcheck vulncheck bench fuzz golden

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

demo: $(PASSPHRASE) ## onboard four validators on Hoodi into ./onboard-out
	$(GO) run ./examples/onboard -passphrase-file $(PASSPHRASE)

# A random passphrase, written once, readable by its owner only. `set -C` refuses to write to a file that exists.
$(PASSPHRASE):
	@(umask 077; set -C; head -c 24 /dev/urandom | base64 > $@)
	@echo "made a random passphrase for the key file: ./$@ (mode 0600)"

test: vault ## run every test, with the race detector
	@.ci/tools
	$(GO) test -race -timeout 25m ./...
	cd hsm/vault/plugin && $(GO) test -race -timeout 25m ./...
	cd bench && $(GO) test -timeout 25m ./...

vault: ## build the Vault server that tests start; about 5 minutes, once
	@.ci/vault

check: fmt vet staticcheck test vulncheck ## all that must pass before a commit

fmt:
	@test -z "$$(gofmt -l .)" || { echo "not formatted by gofmt:"; gofmt -l .; exit 1; }

vet:
	$(GO) vet ./...
	cd hsm/vault/plugin && $(GO) vet ./...
	cd bench && $(GO) vet ./...

staticcheck:
	$(GO) run $(STATICCHECK) ./...
	cd hsm/vault/plugin && $(GO) run $(STATICCHECK) ./...
	cd bench && $(GO) run $(STATICCHECK) ./...

vulncheck: ## look for known vulnerabilities, where the database can be reached
	@.ci/vulncheck

sim: ## simulate key generation at length: many seeds, up to 100 operators (SIM=20)
	DKG_SIM=$(SIM) $(GO) test -run 'Simulation|Crash|Partition|Chained|Many|Disorder' -timeout 60m ./dkg

bench: ## measure everything beside its baseline, into bench/RESULTS.md and the README (BENCH=regexp: some, printed only; BENCHTIME=5s)
	cd bench && $(GO) run ./cmd/bench -benchtime $(BENCHTIME) $(if $(filter .,$(BENCH)),-out . -readme ../README.md,-bench '$(BENCH)')
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -timeout 60m ./...

fuzz: ## fuzz each decoder for a short time (FUZZTIME=10s)
	@for module in . hsm/vault/plugin; do (cd $$module && \
	list=$$($(GO) test -list '^Fuzz' ./...) || { echo "$$list"; exit 1; }; \
	echo "$$list" | awk '/^Fuzz/ { t[n++] = $$1 } /^ok/ { for (i = 0; i < n; i++) print t[i], $$2; n = 0 }' \
	| while read -r target package; do \
		$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x "$$package" </dev/null || exit 1; \
	done) || exit 1; done

golden: ## write testdata/api.txt and testdata/deps.txt anew
	$(GO) test ./internal/checks -run '^TestGolden' -update
