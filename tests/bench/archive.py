#!/usr/bin/env python3
"""Measures the archive on the organisation corpus beside restic, borg, rustic, bup and tar with zstd.

Prints markdown tables and writes archive.json. Rounds are interleaved: in each, every program does its
first run, a run without changes, the second day, and reads everything. Environment:

  C2B_ORGANISATION    the archive's benchmark program (storagefmt/benches/organisation)
  C2B_SHARED          where bench/org_corpus.py is (../shared beside the clone); skipped where absent
  ASSET_DIRS          texts and attachments for the corpus (/usr/share/doc and some documentation packages)
  C2B_BENCH_DIR       work folder; the corpus is kept in it for the next run ($TMPDIR/c2b-bench)
  C2B_BENCH_ROUNDS    rounds (3)
  C2B_BENCH_RIVALS    names of programs to run, of Restic Borg Rustic Bup Tar (those installed)
  C2B_BENCH_SCALE     items of the generated storage of tiny chunks (0: not made; 1000000: 10 million chunks, an hour)

CPU seconds mean something on a shared machine, too; wall clocks on an idle one only.
"""

import os
import shutil
import signal
import sys
import tempfile
import time

import machine
import organisation
import report
import rivals
import verdict

BASE = os.path.abspath(os.environ.get("C2B_BENCH_DIR", os.path.join(tempfile.gettempdir(), "c2b-bench")))
ROUNDS = int(os.environ.get("C2B_BENCH_ROUNDS", "3"))
RIVALS = os.environ.get("C2B_BENCH_RIVALS")
SCALE = int(os.environ.get("C2B_BENCH_SCALE", "0"))
PROGRAM = os.environ.get("C2B_ORGANISATION", "organisation")


def main():
    generator = organisation.generator()
    if generator is None:
        print("The archive's bench is skipped: no shared/bench/org_corpus.py beside the clone (C2B_SHARED says where it is).")
        return 0
    os.makedirs(BASE, exist_ok=True)
    work = os.path.join(BASE, "archive-run")
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    # Whoever is told to end lets the `finally` clauses end what was started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    corpus = organisation.Organisation(generator, BASE)
    corpus.prepare(say)
    results = {"cpus": machine.CPUS, "corpus_bytes": corpus.bytes(), "versions": {}, "rounds": [], "problems": []}
    try:
        for number in range(ROUNDS):
            results["rounds"].append(one_round(number, corpus, work, results))
        results["shared"] = {kind.name: shared(kind, corpus, work) for kind in (rivals.Unsealed, rivals.Sealed)}
        results["large"] = large(corpus, work)
        if SCALE:
            results["scale"] = scale(SCALE, corpus, work)
            # A tenth of it, to see what grows with the archive.
            results["scale tenth"] = scale(SCALE // 10, corpus, work)
    except machine.Failed as failure:
        results["problems"].append(str(failure))
    finally:
        report.save(results, os.path.join(BASE, "archive.json"))
        print(verdict.text(results))
        shutil.rmtree(work, ignore_errors=True)
    return 1 if results["problems"] else 0


def say(text):
    """Tells on standard error what is going on."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def one_round(number, corpus, work, results):
    """Lets every program do its steps; returns the figures by program and step."""
    figures = {}
    for kind in [rivals.Unsealed, rivals.Sealed, *chosen()]:
        say(f"round {number + 1} of {ROUNDS}: {kind.name}")
        results["versions"].setdefault(kind.name, kind.version())
        mine = issubclass(kind, rivals.Ours)
        program = kind(corpus.live, work, PROGRAM) if mine else kind(corpus.live, work)
        try:
            figures[kind.name] = machine.aside(steps, program, corpus)
        except machine.Failed as failure:
            results["problems"].append(f"{kind.name}: {failure}")
        finally:
            program.drop()
    return figures


def chosen():
    """Returns the programs that are wanted and installed."""
    wanted = [kind for kind in rivals.ALL if RIVALS is None or kind.__name__ in RIVALS.split()]
    for kind in wanted:
        if not kind.present():
            say(f"{kind.name} is not installed")
    return [kind for kind in wanted if kind.present()]


def steps(program, corpus):
    """One program's steps."""
    corpus.warm()
    figures = {"first": program.first()}
    figures["read"] = program.read_all()
    if program.incremental:
        figures["same"] = program.again(2)
        with corpus:
            figures["day two"] = program.again(3)
    if isinstance(program, rivals.Ours):
        figures["cold"] = program.cold()
    return figures


def shared(kind, corpus, work):
    """Returns how much more an attachment in a hundred mailboxes needs than in one."""
    sizes = []
    for mailboxes in (1, 100):
        program = kind(corpus.live, work, PROGRAM)
        sizes.append(machine.aside(program.measured, program.command("shared", "--mailboxes", str(mailboxes)))["bytes"])
        program.drop()
    return {"once_bytes": sizes[0], "hundred_bytes": sizes[1], "ratio": sizes[1] / sizes[0]}


def large(corpus, work):
    """Stores what is large in one piece, sealed: a message of a GiB, a folder of 100,000 items."""
    figures = {}
    for mode in ("large-item", "large-folder"):
        say(mode)
        program = rivals.Sealed(corpus.live, work, PROGRAM)
        try:
            figures[mode] = machine.aside(program.measured, program.command(mode))
        finally:
            program.drop()
    return figures


# What is done to the generated storage, in this order. Freeing is killed when it has made two packs anew, and done again.
CARE = ("open", "reader", "check", "copy", "delete", "mark", "free killed", "free", "erase", "rebuild")


def scale(items, corpus, work):
    """Fills a sealed storage with tiny chunks, and does to it what is done to one in its life."""
    program = rivals.Sealed(corpus.live, work, PROGRAM)
    figures = {}
    try:
        for mode in ("scale", "scale-open"):
            say(f"{items} generated items: {mode}")
            figures[mode] = machine.aside(program.measured, program.command(mode, "--items", str(items)))
        for step in CARE:
            say(f"{items} generated items: {step}")
            command = program.command("care", "--op", step.split()[0])
            if step.endswith("killed"):
                machine.aside(killed, [*command, "--abort-after", "2"])
            else:
                figures[step] = machine.aside(program.measured, command)
    finally:
        program.drop()
    return figures


def killed(command):
    """Runs a command that ends itself by a signal; one that was done before is as good."""
    try:
        machine.run(command)
    except machine.Failed as failure:
        if "ended with -6" not in str(failure):
            raise


if __name__ == "__main__":
    sys.exit(main())
