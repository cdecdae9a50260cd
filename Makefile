# Strata: what a person, and CI, types. `make help` lists it.
#
# Everything a target needs and the machine lacks is installed by .ci/install: Debian packages,
# the ClickHouse library (cached for the user), the kernel of the demo.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GO ?= go
STRATA := bin/strata
# Seconds a whole test run may take; go test prints where it hung when it is over.
TEST_TIMEOUT ?= 30m
# Packages that share no process, broker or board with anything: cheap enough for the race detector.
RACE := ./events ./events/lab ./schemas/... ./services/scheduling ./services/health ./dispatcher/pipeline
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
# ST1005 wants error strings in lower case; those of jobs are LAVA's words, which its users match on.
CHECKS := inherit,-ST1005

.PHONY: help demo build deb test test-all screens race fuzz bench faults generate lint deps test-deps clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

deps: ## install what is missing (packages, ClickHouse library, kernel of the demo)
	@.ci/install

build: ## build bin/strata
	@mkdir -p bin
	$(GO) build -o $(STRATA) ./services/cmd/strata

demo: deps build ## run one real job: kernel in QEMU, live log, results, SQL; KEEP=1 leaves the lab running
	@$(STRATA) demo $(if $(KEEP),--keep)

VERSION ?=
deb: deps ## build Debian packages in dist/; VERSION=2026.11 names them
	@GO="$(GO)" packaging/build dist $(VERSION)

# What tests need beyond what Strata itself does: shells and tools of images, a network of their own,
# machines of other architectures, boot loaders.
TESTED_WITH := dash:dash bash:bash mksh:mksh ip:iproute2 mke2fs:e2fsprogs qemu-img:qemu-utils \
  qemu-system-aarch64:qemu-system-arm depmod:kmod openssl:openssl telnet:telnet \
  /usr/lib/u-boot/qemu-x86/u-boot.rom:u-boot-qemu arm-none-eabi-gcc:gcc-arm-none-eabi curl:curl wget:wget busybox:busybox-static \
  podman:podman runc:runc catatonit:catatonit pdudaemon:pdudaemon ser2net:ser2net \
  ipmi_sim:openipmi ipmitool:ipmitool socat:socat /usr/lib/ipxe/qemu/pxe-virtio.rom:ipxe-qemu \
  grub-mknetdir:grub-common /usr/lib/grub/i386-pc:grub-pc-bin \
  ssh:openssh-client dropbear:dropbear-bin sfdisk:fdisk fastboot:fastboot nbd-server:nbd-server rpcbind:rpcbind lavacli:lavacli slapd:slapd \
  /usr/lib/python3/dist-packages/zmq:python3-zmq ganesha.nfsd:nfs-ganesha /usr/lib/x86_64-linux-gnu/ganesha/libfsalvfs.so:nfs-ganesha-vfs \
  chromium:chromium node:nodejs /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf:fonts-dejavu-core \
  man:man-db zsh:zsh fish:fish

# What the slow tests need beyond that.
TESTED_SLOWLY_WITH := mmdebstrap:mmdebstrap /usr/sbin/sshd:openssh-server /usr/lib/python3/dist-packages/jinja2:python3-jinja2 \
  qemu-system-riscv64:qemu-system-misc mkimage:u-boot-tools mkfs.vfat:dosfstools \
  /usr/share/OVMF/OVMF_CODE.fd:ovmf /usr/share/qemu-efi-aarch64/QEMU_EFI.fd:qemu-efi-aarch64 \
  /usr/lib/grub/x86_64-efi:grub-efi-amd64-bin /usr/sbin/in.tftpd:tftpd-hpa squid:squid \
  make:make gcc-12:gcc-12 ld:binutils \
  mkbootimg:mkbootimg img2simg:android-sdk-libsparse-utils sgdisk:gdisk \
  aarch64-linux-gnu-gcc:gcc-aarch64-linux-gnu bison:bison flex:flex bc:bc patch:patch /usr/include/openssl/evp.h:libssl-dev \
  /usr/lib/python3/dist-packages/lava_dispatcher:lava-dispatcher lintian:lintian unshare:util-linux

test-deps: deps
	@.ci/install $(TESTED_WITH)
	@services/web/browser/get-modules.sh >/dev/null # what drives chromium, kept in the user's cache

test: test-deps lint ## hold the house rules, then all tests of every module, the pure ones with the race detector too
	$(GO) test -timeout $(TEST_TIMEOUT) work
	$(GO) test -count 1 -run "TestCompatibility|TestDocumented" ./services/cmd/strata # docs/ lies outside the modules, so their results are cached
	$(GO) test -count 1 ./schemas/job/reference # the same
	@$(MAKE) --no-print-directory fuzz
	$(GO) test -race -timeout $(TEST_TIMEOUT) $(RACE)

test-all: test ## tests, then the slow ones too: machines of every kind, the container image
	@.ci/install $(TESTED_SLOWLY_WITH)
	STRATA_TEST_ALL=1 STRATA_TEST_IMAGE=1 STRATA_REQUIRE_BOOT=1 $(GO) test -p 1 -timeout 4h work

screens: test-deps ## take the pictures of docs/screens anew
	@mkdir -p docs/screens
	STRATA_SCREENS=$(CURDIR)/docs/screens STRATA_REQUIRE_BOOT=1 $(GO) test -count 1 -run TestScreens ./services/cmd/strata

race: deps ## run every test with the race detector; slow
	$(GO) test -race -timeout 60m work

FUZZ_SECONDS ?= 3
fuzz: ## fuzz every parser, FUZZ_SECONDS each; FUZZ=name picks some of them
	@GO="$(GO)" FUZZ="$(FUZZ)" .ci/fuzz $(FUZZ_SECONDS)

AREA ?= foundation
bench: ## measure; AREA=foundation picks the figures, YEAR=DIR keeps what takes long to generate, docs/measurements.md says what they mean
	@$(MAKE) --no-print-directory deps build >&2
	@[ "$(AREA)" != tables ] || .ci/install pg_ctlcluster:postgresql # to compare with
	@$(GO) run ./services/cmd/bench -area $(AREA) $(if $(YEAR),-year $(YEAR))

ROUNDS ?= 300
faults: deps build ## kill services, worker, engine and broker at random points, ROUNDS times
	STRATA_FAULT_ROUNDS=$(ROUNDS) $(GO) test -timeout 12h -count 1 -run 'TestFaults' -v ./services/cmd/strata

generate: ## write what derives from code: JSON Schemas, event catalogue, table reference
	$(GO) generate work

lint: ## gofmt, go vet, staticcheck, import rules
	@out=$$(gofmt -l events schemas dispatcher projections services); \
	  if [ -n "$$out" ]; then echo "gofmt wants to rewrite:"; echo "$$out"; exit 1; fi
	$(GO) vet work
	failed=; for m in events schemas dispatcher projections services; do \
	  (cd $$m && $(GO) run $(STATICCHECK) -checks '$(CHECKS)' ./...) || failed=1; done; [ -z "$$failed" ]
	$(GO) test -run 'TestImports' ./services

clean: ## remove what was built here; caches of the user stay
	rm -rf bin dist
