# Podium. `make` lists what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0
BENCHSTAT := golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da
# The packages of protocol/ that have micro-benchmarks.
MICRO := websocket engineio socketio
GOSEC := github.com/securego/gosec/v2/cmd/gosec@v2.22.11
CYCLONEDX := github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.9.0
# Every package of the modules that go.work names.
MODULES := $(patsubst %,%/...,$(shell sed -n 's/^\t\(\.[^ ]*\)$$/\1/p' go.work))
CLIENT := test/node_modules/socket.io-client/dist
CLIENT_FILES := $(foreach f,socket.io.js socket.io.min.js socket.io.esm.min.js socket.io.msgpack.min.js,$(f) $(f).map)

.PHONY: help run build client node module test game-day outages abuse soak memory lint bench bench-compare crash rehearse image fuzz screenshots gosec sbom vuln clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

run: build ## build and serve with an embedded database in data/
	@exec bin/podium serve

build: client ## build bin/podium with the Socket.IO browser client inside
	@echo "building bin/podium (the first time downloads Go modules)"
	@CGO_ENABLED=0 go build -trimpath -o bin/podium .

node: test/node_modules/.installed ## install the official clients for the tests
test/node_modules/.installed: test/package.json test/package-lock.json
	@command -v npm >/dev/null || { echo "npm is missing: install Node.js 20 or later"; exit 1; }
	@echo "installing the official Socket.IO clients from npm"
	@npm ci --prefix test --no-audit --no-fund --ignore-scripts --loglevel=error
	@touch $@

client: $(addprefix static/client/,$(CLIENT_FILES)) ## copy the official browser client to where it is embedded
# Without npm the binary is built all the same, and sends browsers to the public CDN.
static/client/%: | maybe-node
	@if [ -f $(CLIENT)/$* ]; then cp $(CLIENT)/$* $@; fi

.PHONY: maybe-node
maybe-node:
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory node; \
	else echo "npm is missing: building without the Socket.IO browser client"; fi

# Given to make, PATH names a module, and recipes would not find a program: they get back what the shell has,
# from make's own environment, or where there is no /proc the usual folders.
ifeq ($(origin PATH),command line)
MODULE := $(PATH)
override PATH := $(or $(shell while IFS= read -r -d '' v; do case $$v in (PATH=*) printf %s "$${v#PATH=}";; esac; done 2>/dev/null </proc/$$PPID/environ),/usr/local/go/bin:/opt/homebrew/bin:/usr/local/bin:/usr/bin:/bin)
endif
module: ## give the modules another path: make module PATH=example.com/you/podium
	@go run ./test/rename $(MODULE)

# The packages that Debian lacks on a bare machine, each with a command that shows that it is there.
.PHONY: setup
setup:
	@missing=(); add() { command -v $$1 >/dev/null || missing+=($${@:2}); }; PATH=$$PATH:/usr/sbin:/usr/lib/postgresql/15/bin; \
	add npm nodejs npm; add chromium chromium; add chromium-headless-shell chromium-headless-shell; add redis-server redis-server; add postgres postgresql; add pgbouncer pgbouncer; add nginx nginx; \
	/usr/bin/python3 -c 'import socketio, socketIO_client, requests, websocket' 2>/dev/null || missing+=(python3-socketio python3-socketio-client python3-requests python3-websocket); \
	[ $${#missing[@]} = 0 ] || { \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || { echo "missing, and only root can install it: $${missing[*]}"; exit 1; }; \
	  echo "installing $${missing[*]} from Debian (once)"; export DEBIAN_FRONTEND=noninteractive; \
	  apt-get update -q && apt-get install -q -y --no-install-recommends "$${missing[@]}"; }

test: setup lint node client build ## everything: unit tests with -race, official clients, Chromium, Redis, PostgreSQL
	@echo "testing"
	@TIMES=0 $(MAKE) --no-print-directory -k test-packages test-program test-browser test-paced abuse

# One after the other: attacks and backups are judged by what others feel of them. The race detector is for all that runs in
# the process of its test: what is below test/ drives programs that are built without it, but for conformance, which serves.
.PHONY: test-packages test-program test-browser test-paced
# Many packages wait for databases, Node and clocks for most of their time: twice as many run at a time as there are
# processors, and those that wait longest begin.
SIDE_BY_SIDE = $(shell echo $$((2 * $$(getconf _NPROCESSORS_ONLN))))
LONGEST := ./protocol/postgres ./protocol/redis ./protocol/client ./examples ./server
test-packages:
	@below=$$(go list ./test) && PODIUM_TEST_REQUIRE=1 go test -race -timeout 20m -p $(SIDE_BY_SIDE) $(LONGEST) ./test/conformance \
	  $$(go list $(MODULES) | grep -vxF "$$(go list $(LONGEST))" | grep -vE "^$$below(/|$$)|/store/backup$$")
test-program:
	@PODIUM_TEST_REQUIRE=1 PODIUM_TEST_BINARY=$(CURDIR)/bin/podium go test -timeout 20m $$(go list ./test/... | grep -vE '/(abuse|browser|conformance)$$')
# Windows that share a browser take the focus from each other: one test at a time.
test-browser:
	@PODIUM_TEST_REQUIRE=1 PODIUM_TEST_BINARY=$(CURDIR)/bin/podium go test -timeout 30m -parallel 1 ./test/browser
test-paced:
	@go test -race -timeout 10m ./store/backup

abuse: ## attack a running server in every way, and print what it cost others; strangers at TIMES=10 of what they once needed
	@go test -count=1 -timeout 40m -v ./test/abuse -args -times=$${TIMES:-10} | grep -v '^=== '; exit $${PIPESTATUS[0]}

game-day: node ## have clients move between servers that die, for minutes to hours: make game-day DURATION=20m
	@PODIUM_TEST_REQUIRE=1 PODIUM_GAMEDAY=$${DURATION:-5m} go test -count=1 -timeout 0 -v ./test/gameday
	@PODIUM_TEST_REQUIRE=1 PODIUM_GAMEDAY=$${DURATION:-5m} go test -count=1 -timeout 0 -v -run 'TestMemory|TestCluster/(Exactly|Kill|Rolling)' ./protocol/socketio/clustertest ./protocol/redis ./protocol/postgres

outages: node ## have all that three machines of a contest need fail, with 1,000 guests: make outages DURATION=20m
	@PODIUM_TEST_REQUIRE=1 PODIUM_OUTAGES=$${DURATION:-5m} go test -count=1 -timeout 0 -v ./test/outages

lint: ## gofmt, go vet, staticcheck
	@echo "linting (the first time downloads staticcheck)"
	@bad=$$(git ls-files '*.go' | xargs gofmt -l); [ -z "$$bad" ] || { echo "not gofmt-ed:"; echo "$$bad"; exit 1; }
	@go vet $(MODULES)
	@go run $(STATICCHECK) $(MODULES)

bench: test/bench/node_modules/.installed client ## measure beside Node, Bun and zishang520/socket.io; one row: make bench ROW=echo
	@cd test/bench && GOWORK=off go build -o bin/ ./load ./podium ./bare ./clients
	@CGO_ENABLED=0 go build -trimpath -o test/bench/bin/contest .
	@cd test/bench && GOWORK=off go build -o bin/ ./zishang3 || echo "zishang3 cannot be built: it is left out"
	@cd test/bench/zishangclients && GOWORK=off go build -o ../bin/zishangclients . || echo "zishangclients cannot be built: it is left out"
	@cd test/bench/zishang2 && GOWORK=off go build -o ../bin/zishang2 . || echo "zishang2 cannot be built: it is left out"
	@cd test/bench && ulimit -n $$(ulimit -Hn) && bin/load -row "$(ROW)" $(BENCHFLAGS)

test/bench/node_modules/.installed: test/bench/package.json test/bench/package-lock.json
	@echo "installing the peers (the bench has its own go.mod and package.json)"
	@npm ci --prefix test/bench --no-audit --no-fund --loglevel=error || echo "Node's and Bun's packages are missing: they are left out"
	@touch $@

# The base is the commit of the last whole run of make bench; its build runs in turn with this one, so that whatever
# else the machine does, it does to both.
bench-compare: ## compare the micro-benchmarks with those of the last make bench, by running both builds in turn; one: make bench-compare BENCH=Echo
	@base=$${BASE:-$$(git log -1 --format=%H -- test/bench/results.json)}; \
	[ -n "$$base" ] && git cat-file -e "$$base^{commit}" 2>/dev/null || { echo "no commit to compare with is here (a shallow clone?)"; exit 0; }; \
	there=$$(mktemp -d); trap 'git worktree remove --force '$$there EXIT; git worktree add -q --detach $$there $$base; \
	mkdir -p test/bench/bin; cd test/bench/bin; rm -f base.txt this.txt; \
	for p in $(MICRO); do \
	  (cd $$there/protocol && go test -c -o $$OLDPWD/base.$$p.test ./$$p) && (cd $(CURDIR)/protocol && go test -c -o $$OLDPWD/this.$$p.test ./$$p) || exit 1; \
	  for i in $$(seq $${COUNT:-6}); do for build in base this; do \
	    (cd $(CURDIR)/protocol/$$p && $(CURDIR)/test/bench/bin/$$build.$$p.test -test.run '^$$' -test.bench "$${BENCH:-.}" -test.benchmem -test.benchtime $${BENCHTIME:-100ms}) >>$$build.txt || exit 1; \
	  done; done; done; \
	echo "beside $$(git log -1 --format='%h, %cs' $$base)"; go run $(BENCHSTAT) -ignore cpu base.txt this.txt

# An input that finds something new is made smaller in ten runs, not for a minute, which is where most of the time went.
fuzz: ## fuzz every target for FUZZTIME (10s); some of them: make fuzz FUZZ=Session FUZZTIME=1h
	@mkdir -p bin
	@for d in $$(grep -rl '^func Fuzz' --include=*_test.go . | xargs -n1 dirname | sort -u); do \
	  for f in $$(grep -ho '^func Fuzz[A-Za-z0-9]*' $$d/*_test.go | sed 's/func //' | grep -E "$${FUZZ:-.}"); do \
	    echo "$$d $$f"; go test -run '^$$' -fuzz "^$$f$$" -fuzztime $${FUZZTIME:-10s} -fuzzminimizetime 10x -timeout 0 $$d | tee bin/fuzz.log; \
	    if [ $${PIPESTATUS[0]} != 0 ]; then \
	      if grep -q 'Failing input written' bin/fuzz.log || ! grep -q 'context deadline exceeded' bin/fuzz.log; then exit 1; fi; \
	      echo "the time was up in the middle of an input, which failed nothing (a known fault of go test)"; fi; done; done

CRASH := TestNothingIsLostByKilling|TestJitter|TestAStop|TestASecondSignal|TestAReconnectionStorm|TestAFullDisk
crash: node client ## kills, bad networks, stops, storms, full disks; figures in a line: make crash CYCLES=1000
	@mkdir -p bin
	@go test -count=1 -timeout 0 -run 'TestAFailedWrite|TestAPowerLoss' -v ./store/bolt -powerloss=$${POWERLOSS:-2m}
	@go test -count=1 -timeout 0 -run 'Noise|RandomDamage|Anything' -v ./store/bolt ./server/command -args -damage=$${DAMAGE:-20}
	@go test -count=1 -timeout 0 -run TestTheFeedFollowsEveryChange -v ./server/api -args -changes=$${CHANGES:-1000}
	@set -o pipefail; go test -count=1 -timeout 0 -run '$(CRASH)' -v ./test/crash -args -long -cycles=$${CYCLES:-100} | tee bin/crash.log; \
	  status=$$?; sed -n 's/.*figures: //p' bin/crash.log | paste -sd '|' | sed 's/|/ | /g'; exit $$status

soak: ## everything that is long and random, for hours; not in CI: make soak FUZZTIME=5m CYCLES=300 DURATION=30m
	@$(MAKE) --no-print-directory fuzz FUZZTIME=$${FUZZTIME:-1m}
	@$(MAKE) --no-print-directory crash CYCLES=$${CYCLES:-100}
	@$(MAKE) --no-print-directory rehearse GUESTS=$${GUESTS:-1000} TIMES=$${TIMES:-20}
	@$(MAKE) --no-print-directory game-day DURATION=$${DURATION:-20m}
	@$(MAKE) --no-print-directory outages DURATION=$${DURATION:-20m}
	@go test -count=1 -timeout 0 -run 'TestPagesFit|TestAHundredPhotos' -v ./test/browser -args -long

rehearse: node client ## redeploy in the middle of the event: make rehearse GUESTS=1000 TIMES=20
	@go test -count=1 -timeout 0 -run TestARedeployIsNotNoticed -v ./test/crash -guests=$${GUESTS:-1000} -redeploys=$${TIMES:-20}

image: ## run the commands of fly/Dockerfile twice without Docker, and look at what they made
	@go test -count=1 -timeout 20m -run TestTheCommandsOfTheDockerfile -v ./fly -image

memory: ## hold HELD=15000 WebSockets in 256 MB, under a real limit (needs root and control groups)
	@go test -count=1 -timeout 10m -run TestTheSmallestMachine -v ./test/crash -held=$${HELD:-15000}

screenshots: node client ## each page, in every size, scheme and language, with none, a few and many photos, into test/screenshots
	@mkdir -p test/screenshots
	@PODIUM_SCREENSHOTS=$(CURDIR)/test/screenshots go test -count=1 -parallel 1 -run "TestPagesAreAccessible|TestPagesFit|TestEveryPageIsIn|TestAGuestsPhotosLast|OnEveryScreen|IsWhole|AreWhole" ./test/browser
	@ls test/screenshots

# Rules that are left out, and why:
#   G104 unhandled errors: staticcheck and review see to it; those left are ignored on purpose, as closing what was read.
#   G115 integer conversions: lengths, times and offsets of our own, or numbers that were compared before.
#   G304 files named by variables: the names come from settings and commands, or from matches of a fixed pattern.
#   G602 slice bounds: Go checks them when it runs, and the fuzz targets look for those that fail.
gosec: ## look for mistakes that endanger security
	@go run $(GOSEC) -quiet -exclude=G104,G115,G304,G602 -exclude-dir=test $(MODULES)

sbom: node ## list what is inside the program and its pages: bin/podium.cdx.json, bin/decoders.cdx.json, bin/pages.cdx.json
	@mkdir -p bin
	@go run $(CYCLONEDX) mod -type application -json -output bin/podium.cdx.json
	@go run . licences --sbom > bin/decoders.cdx.json
	@npm sbom --prefix test --sbom-format cyclonedx --omit dev > bin/pages.cdx.json
	@ls -l bin/*.cdx.json

vuln: ## look for known vulnerabilities
	@go run $(GOVULNCHECK) $(MODULES)
	@npm audit --prefix test --omit=dev
	@echo "Of the libraries that decode pictures no tool knows; compare their versions with what Debian's security tracker says:"
	@go run . licences --sbom | grep -E '"(name|version)"' | paste - -

clean: ## remove what was built and downloaded
	@rm -rf bin test/node_modules $(addprefix static/client/,$(CLIENT_FILES))
