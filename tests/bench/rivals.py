"""Backup programs on the organisation's files: the first run, the next ones, and reading all of it."""

import os
import shutil

import machine


class Rival:
    """A program that backs up a directory, as its users run it: its own defaults for everything."""

    name = ""
    program = ""
    incremental = True

    def __init__(self, live, work):
        self.live = live
        self.home = os.path.join(work, type(self).__name__)
        self.archive = os.path.join(self.home, "archive")
        self.env = {"HOME": self.home, "XDG_CACHE_HOME": os.path.join(self.home, "cache")}
        shutil.rmtree(self.home, ignore_errors=True)
        os.makedirs(self.home)

    @classmethod
    def present(cls):
        return shutil.which(cls.program) is not None

    @classmethod
    def version(cls):
        """Returns the first number in what the program says of itself."""
        said = machine.run([cls.program, "--version"], keep_output=True).output
        return next((word.strip("v,") for word in said.split() if word.strip("v")[:1].isdigit()), "?")

    def prepare(self):
        """Makes an empty archive."""

    def backup(self, number):
        """Returns the command of one run; it runs in the corpus."""
        raise NotImplementedError

    def read(self):
        """Returns the command that reads everything of the first run, or none."""

    def first(self):
        self.prepare()
        return self.measured(self.backup(1))

    def again(self, number):
        return self.measured(self.backup(number))

    def read_all(self):
        command = self.read()
        return command and self.measured(command)

    def measured(self, command):
        figures = measured(command, self.live, self.env)
        return {**figures, "bytes": machine.size(self.archive)[1]}

    def drop(self):
        shutil.rmtree(self.home, ignore_errors=True)


class Restic(Rival):
    """Content-defined chunks, zstd, always encrypted."""

    name = program = "restic"

    def __init__(self, live, work):
        super().__init__(live, work)
        self.env |= {"RESTIC_REPOSITORY": self.archive, "RESTIC_PASSWORD": "bench"}

    @classmethod
    def version(cls):
        return machine.run(["restic", "version"], keep_output=True).output.split()[1]

    def prepare(self):
        machine.run(["restic", "init"], env=self.env)

    def backup(self, number):
        return ["restic", "backup", "-q", "."]

    def read(self):
        first = "$(restic snapshots --json | python3 -c 'import json, sys; print(json.load(sys.stdin)[0][\"id\"])')"
        return f"restic dump {first} / >/dev/null"


class Borg(Rival):
    """Content-defined chunks, here with zstd and without encryption."""

    name = program = "borg"

    def __init__(self, live, work):
        super().__init__(live, work)
        self.env |= {"BORG_BASE_DIR": self.home, "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"}

    def prepare(self):
        machine.run(["borg", "init", "-e", "none", self.archive], env=self.env)

    def backup(self, number):
        return ["borg", "create", "-C", "zstd,3", f"{self.archive}::run{number}", "."]

    def read(self):
        return ["borg", "extract", "--dry-run", f"{self.archive}::run1"]


class Rustic(Rival):
    """restic's format, in Rust."""

    name = program = "rustic"

    def command(self, *arguments):
        return ["rustic", "--no-progress", "-r", self.archive, "--password", "bench", *arguments]

    def prepare(self):
        machine.run(self.command("init"), env=self.env)

    def backup(self, number):
        return self.command("backup", "--as-path", "/live", ".")

    def read(self):
        return " ".join(self.command("dump", "--archive", "tar", "latest:/")) + " >/dev/null"


class Bup(Rival):
    """Fine content-defined chunks in git packs, zlib, not encrypted."""

    name = program = "bup"

    def __init__(self, live, work):
        super().__init__(live, work)
        self.env["BUP_DIR"] = self.archive

    def prepare(self):
        machine.run(["bup", "init"], env=self.env)

    def backup(self, number):
        return "bup index . && bup save -q -n all --strip ."


class Tar(Rival):
    """One stream that finds what is alike within 2 GiB: no access to a single file, no second run."""

    name = "tar, zstd -3 --long=31"
    program = "zstd"
    incremental = False

    def backup(self, number):
        return f"tar --sort=name -cf - . | zstd -q -f -3 --long=31 -T{machine.CPUS} -o '{self.archive}'"

    def read(self):
        return f"zstd -q -d -c --long=31 '{self.archive}' | tar -xOf - >/dev/null"


class Ours(Rival):
    """The archive, filled by its own benchmark program."""

    sealed = False

    def __init__(self, live, work, program):
        super().__init__(live, work)
        self.bench = program

    @classmethod
    def version(cls):
        return machine.run(["git", "-C", os.path.dirname(__file__), "describe", "--always", "--dirty"], keep_output=True).output.strip()

    def command(self, mode, *arguments):
        return [self.bench, mode, "--storage", self.archive, *(["--sealed"] if self.sealed else []), *arguments]

    def backup(self, number):
        return self.command("first" if number == 1 else "again", "--corpus", self.live)

    def read(self):
        return self.command("read-all")

    def cold(self):
        return self.measured(self.command("cold"))


class Unsealed(Ours):
    name = "c2b, unsealed"


class Sealed(Ours):
    name = "c2b, sealed"
    sealed = True


FAST = [Restic, Borg, Rustic]
ALL = [Restic, Borg, Rustic, Bup, Tar]


def measured(command, cwd, env):
    """Runs a command and returns its figures; what our program says of itself is added."""
    busy = machine.busy_secs()
    cost = machine.run(command, cwd=cwd, env=env, keep_output=True)
    others = max(0.0, machine.busy_secs() - busy - cost.cpu_secs) / (cost.wall_secs * machine.CPUS)
    own = machine.last_json(cost.output)
    figures = {"wall_secs": cost.wall_secs, "cpu_secs": cost.cpu_secs, "rss_mb": cost.rss_mb, "others_percent": 100 * others}
    return {**own, **figures, "rss_mb": own.get("rss_mb", cost.rss_mb)}
