#!/usr/bin/env python3
"""Measures c2b on the lab's generated company, each figure beside a peer or a floor from the same run.

Prints markdown tables and writes results.json. Environment:

  C2B_BIN_DIR          where c2b-lab, c2bd, c2bctl and mount.c2b are (PATH)
  C2B_BENCH_MESSAGES   size of the company (50000, about 2 GB)
  C2B_BENCH_MAILBOXES  its mailboxes (one for each 500 messages, at least 3)
  C2B_BENCH_SEED       its seed (1)
  C2B_BENCH_DIR        work folder; the company is kept in it for the next run ($TMPDIR/c2b-bench)
  C2B_BENCH_PEERS      names of peers to run, of Copy TarZstd TarZstdLong Restic Borg (those installed)
  C2B_BENCH_FOREIGN    mailboxes that exchangelib fetches, to compare speeds (5)
  C2B_BENCH_KEEP       keep archives and logs

Wall clocks mean something on an idle machine only; the report says how much other programs used.
"""

import collections
import os
import shutil
import signal
import sys
import tempfile
import time

import fetch
import foreign
import machine
import peers
import product
import report

MESSAGES = int(os.environ.get("C2B_BENCH_MESSAGES", "50000"))
MAILBOXES = int(os.environ.get("C2B_BENCH_MAILBOXES", str(max(3, MESSAGES // 500))))
SEED = int(os.environ.get("C2B_BENCH_SEED", "1"))
BASE = os.path.abspath(os.environ.get("C2B_BENCH_DIR", os.path.join(tempfile.gettempdir(), "c2b-bench")))
FOREIGN = int(os.environ.get("C2B_BENCH_FOREIGN", "5"))
PEERS = os.environ.get("C2B_BENCH_PEERS")


def main():
    os.makedirs(BASE, exist_ok=True)
    company = founded()
    work = os.path.join(BASE, "run")
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    results = {"cpus": machine.CPUS, "others_percent": 0.0, "problems": [], "backup": {}, "mount": {}}
    results["company"] = described(company)
    # Whoever is told to end lets the `finally` clauses end what was started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    try:
        try:
            ours(company, work, results)
        except (machine.Failed, OSError) as failure:
            results["problems"].append(f"c2b: {failure}")
        theirs(company, work, results)
    finally:
        # What was measured is not lost when the rest cannot be.
        report.save(results, os.path.join(BASE, "results.json"))
        print(report.text(results))
    if not os.environ.get("C2B_BENCH_KEEP") and not results["problems"]:
        shutil.rmtree(work)
    return 1 if results["problems"] else 0


def say(text):
    """Tells on standard error what is going on."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def founded():
    """Generates the company unless an earlier run did, and returns its directory."""
    company = os.path.join(BASE, f"company-{MAILBOXES}-{MESSAGES}-{SEED}")
    done = company + ".done"
    if not os.path.exists(done):
        say(f"generating {MESSAGES} messages in {MAILBOXES} mailboxes")
        shutil.rmtree(company, ignore_errors=True)
        arguments = ["--mailboxes", str(MAILBOXES), "--messages", str(MESSAGES), "--seed", str(SEED)]
        machine.run([product.program("c2b-lab"), "generate", company, *arguments])
        with open(done, "w", encoding="ascii"):
            pass
    return company


def described(company):
    """Counts the company's files, and reads them all once, so that nobody's first run pays for the disk."""
    machine.run(f"find '{company}' -type f -print0 | xargs -0 cat >/dev/null")
    files = total = allocated = messages = message_bytes = 0
    for directory, _, names in os.walk(company):
        for name in names:
            if name.endswith(".toml"):
                continue
            status = os.lstat(os.path.join(directory, name))
            files, total, allocated = files + 1, total + status.st_size, allocated + status.st_blocks * 512
            if name.endswith(".eml"):
                messages, message_bytes = messages + 1, message_bytes + status.st_size
    return {
        "mailboxes": MAILBOXES,
        "messages": messages,
        "message_bytes": message_bytes,
        "seed": SEED,
        "files": files,
        "bytes": total,
        "allocated_bytes": allocated,
    }


def ours(company, work, results):
    """Backs up from the lab, twice, and reads the mount."""
    lab = product.Lab(company, work)
    try:
        say("floor of the network")
        mailboxes = sorted(name for name in os.listdir(company) if "@" in name)
        results["backup"]["network floor"] = {"first": machine.aside(fetch.floor, lab, mailboxes)}
        say("exchangelib")
        results["exchangelib"] = machine.aside(scripted, lab, company, mailboxes)
        lab.stop()
        # A new process, so that neither counters nor caches of the lab know the floor.
        lab = product.Lab(company, work)
        daemon = product.Daemon(work)
        try:
            daemon.prepare(lab.url)
            say("c2b: first backup")
            first = daemon.cycle(lab)
            results["others_percent"] = first["others_percent"]
            results["backup"] = {"c2b": {"first": first}, **results["backup"]}
            say("c2b: no change")
            results["backup"]["c2b"]["again"] = daemon.cycle(lab)
            read_ours(company, work, daemon, results)
        finally:
            daemon.stop()
    finally:
        lab.stop()


def scripted(lab, company, mailboxes):
    """Fetches some of the mailboxes with exchangelib; returns its figures, or none where it cannot be had."""
    some = mailboxes[:: max(1, len(mailboxes) // FOREIGN)][:FOREIGN]
    figures = foreign.fetch(lab, some)
    if figures is not None:
        figures["mailboxes"] = len(some)
        figures["bytes"] = machine.size(*(os.path.join(company, name) for name in some))[1]
    return figures


def read_ours(company, work, daemon, results):
    """Reads everything through the mount, and checks that it is everything."""
    say("c2b: mount")
    target = os.path.join(work, "mnt")
    machine.evict(daemon.storage)
    ready = daemon.mount(target)
    try:
        tops = [os.path.join(target, "mailboxes", name, "latest") for name in sorted(os.listdir(os.path.join(target, "mailboxes")))]
        servers = machine.pids_of(target)
        before = sum(machine.cpu_secs(pid) for pid in servers)
        figures = machine.aside(read, tops, daemon.storage)
        figures["cpu_secs"] = sum(machine.cpu_secs(pid) for pid in servers) - before
    finally:
        daemon.unmount(target)
    results["mount"]["c2b"] = {"ready_secs": ready, **figures}
    expected, seen = results["company"], figures
    if (seen["messages"], seen["message_bytes"]) != (expected["messages"], expected["message_bytes"]):
        results["problems"].append(
            f"the mount shows {seen['messages']} messages of {seen['message_bytes']} bytes,"
            f" the company has {expected['messages']} of {expected['message_bytes']}"
        )


def theirs(company, work, results):
    """Runs the peers on the company's files."""
    plain = machine.aside(read, [company], company)
    results["mount"]["plain ext4"] = plain
    for kind in peers.ALL:
        if PEERS is not None and kind.__name__ not in PEERS.split():
            continue
        if not kind.present():
            say(f"{kind.__name__} is not installed")
            continue
        peer = kind(company, work)
        try:
            say(peer.name)
            steps = results["backup"].setdefault(peer.name, {})
            # What the floor before evicted is read again, so that the program is measured and not the disk.
            machine.run(f"find '{company}' -type f -print0 | xargs -0 cat >/dev/null")
            steps["first"] = peer.first()
            if peer.again:
                steps["again"] = peer.measured()
                steps["again"]["grown_bytes"] = steps["again"]["archive_bytes"] - steps["first"]["archive_bytes"]
                read_theirs(peer, work, results)
        except machine.Failed as failure:
            say(f"{peer.name} left out: {failure}")
        finally:
            peer.drop()


def read_theirs(peer, work, results):
    """Reads everything through a peer's mount."""
    machine.evict(peer.archive)
    began = time.perf_counter()
    mounted = peers.Mounted(peer, os.path.join(work, f"mnt-{type(peer).__name__}"))
    with mounted as root:
        ready = time.perf_counter() - began
        before = machine.cpu_secs(mounted.process.pid)
        figures = machine.aside(read, [root], peer.archive)
        figures["cpu_secs"] = machine.cpu_secs(mounted.process.pid) - before
    results["mount"][peer.name] = {"ready_secs": ready, **figures}


def read(tops, archive):
    """Finds, lists and reads all files below some directories, whose contents come from `archive`."""
    find = ["find", *tops, "-type", "f", "-printf", "%s\\t%p\\n"]
    cold = machine.run(find, keep_output=True)
    warm = machine.run(find, keep_output=True)
    found = [line.split("\t", 1) for line in warm.output.splitlines() if "\t" in line]
    found = [(int(size), path) for size, path in found if not path.endswith(".toml")]
    messages = [size for size, path in found if path.endswith(".eml")]
    folders = collections.Counter(os.path.dirname(path) for _, path in found)
    largest, entries = folders.most_common(1)[0]
    machine.evict(archive)
    listing = [machine.run(["ls", "-l", largest], keep_output=True) for _ in range(2)]
    machine.evict(archive)
    cat = machine.run(["bash", "-o", "pipefail", "-c", 'find "$@" -type f -print0 | xargs -0 cat >/dev/null', "cat", *tops])
    total = sum(size for size, _ in found)
    return {
        "files": len(found),
        "messages": len(messages),
        "message_bytes": sum(messages),
        "find_cold_secs": cold.wall_secs,
        "find_warm_secs": warm.wall_secs,
        "list_entries": entries,
        "list_cold_secs": listing[0].wall_secs,
        "list_warm_secs": listing[1].wall_secs,
        "cat_bytes": total,
        "cat_secs": cat.wall_secs,
        "cat_mb_per_sec": total / 1e6 / cat.wall_secs,
    }


if __name__ == "__main__":
    sys.exit(main())
