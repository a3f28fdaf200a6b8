# Two commands do everything: `make demo` and `make test`.

PREFIX  ?= /usr
DESTDIR ?=
UNITDIR ?= /usr/lib/systemd/system

.PHONY: help demo test bench fuzz soak build deb install uninstall setup

help:
	@echo "make demo       build, back up a sample company, mount it, look at it"
	@echo "make test       format, lints, all tests"
	@echo "make bench      benchmarks beside peers and floors (C2B_BENCH_MESSAGES=50000 C2B_BENCH_ROUNDS=3)"
	@echo "make fuzz       fuzz what reads bytes of others (C2B_FUZZ_SECS=60 for each target)"
	@echo "make soak       many more histories, crashes and damages than make test (C2B_SOAK_CASES=5000 C2B_DAMAGE_CASES=2000)"
	@echo "make deb        release build as a Debian package; prints its path"
	@echo "make install    release build into DESTDIR=$(DESTDIR) PREFIX=$(PREFIX)"
	@echo "make uninstall  removes what install put there; keeps /etc/c2b and /var/lib/c2b"

setup:
	@scripts/setup.sh

demo: setup
	@scripts/demo.sh

test: setup
	@scripts/test.sh

bench: setup
	@scripts/bench.sh

fuzz: setup
	@scripts/fuzz.sh

soak: setup
	@scripts/soak.sh

build: setup
	@scripts/cargo.sh build --quiet --locked --release --bins

deb: setup
	@scripts/deb.sh

install:
	@DESTDIR="$(DESTDIR)" PREFIX="$(PREFIX)" UNITDIR="$(UNITDIR)" scripts/install.sh install

uninstall:
	@DESTDIR="$(DESTDIR)" PREFIX="$(PREFIX)" UNITDIR="$(UNITDIR)" scripts/install.sh uninstall
