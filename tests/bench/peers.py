"""Peers and floors: what other programs need for the same company, as plain files in a directory."""

import os
import shutil
import subprocess

import machine


class Peer:
    """A program that backs up a directory. `again` is false when a second run is a whole rewrite."""

    name = ""
    again = True

    def __init__(self, company, work):
        self.company = company
        self.home = os.path.join(work, "peers", type(self).__name__)
        self.archive = os.path.join(self.home, "archive")
        self.env = {"HOME": self.home}
        os.makedirs(self.home)

    @classmethod
    def present(cls):
        """Is true when the program is installed."""
        return True

    def prepare(self):
        """Makes an empty archive."""

    def backup(self):
        """Returns the command that backs the company up; it runs in the company's directory."""
        raise NotImplementedError

    def mount(self, target):
        """Returns the command that mounts the archive in the foreground, or none."""
        del target

    def root(self, target):
        """Returns where the company is below the mount point, or none while it is not there."""
        del target

    def first(self):
        """Backs up for the first time; returns the figures."""
        self.prepare()
        return self.measured()

    def measured(self):
        """Backs up; returns the figures."""
        cost = machine.run(self.backup(), cwd=self.company, env=self.env)
        files, total = machine.size(self.archive)
        return {
            "wall_secs": cost.wall_secs,
            "cpu_secs": cost.cpu_secs,
            "rss_mb": cost.rss_mb,
            "archive_files": files,
            "archive_bytes": total,
        }

    def drop(self):
        """Removes all of it."""
        shutil.rmtree(self.home, ignore_errors=True)


class Copy(Peer):
    """The floor of any backup: the same files once more, on disk."""

    name = "cp -r, sync"
    again = False

    def backup(self):
        return f"cp -r . '{self.archive}' && sync -f '{self.archive}'"


class TarZstd(Peer):
    """The floor of compressing: one stream, no index, no history."""

    name = "tar, zstd -3, sync"
    again = False

    @classmethod
    def present(cls):
        return shutil.which("zstd") is not None

    def backup(self):
        return f"tar -cf - . | zstd -q -f -3 -T{machine.CPUS} -o '{self.archive}' && sync -f '{self.archive}'"


class TarZstdLong(TarZstd):
    """The same, finding what is alike within 2 GiB."""

    name = "tar, zstd -3 --long=31, sync"

    def backup(self):
        return f"tar -cf - . | zstd -q -f -3 --long=31 -T{machine.CPUS} -o '{self.archive}' && sync -f '{self.archive}'"


class Restic(Peer):
    """restic: content-defined chunks, zstd, always encrypted."""

    name = "restic"

    def __init__(self, company, work):
        super().__init__(company, work)
        self.env |= {
            "RESTIC_REPOSITORY": self.archive,
            "RESTIC_PASSWORD": "bench",
            "RESTIC_CACHE_DIR": os.path.join(self.home, "cache"),
        }

    @classmethod
    def present(cls):
        return shutil.which("restic") is not None

    def prepare(self):
        machine.run(["restic", "init"], env=self.env)

    def backup(self):
        return ["restic", "backup", "-q", "."]

    def mount(self, target):
        return ["restic", "mount", "-q", target]

    def root(self, target):
        snapshots = os.path.join(target, "snapshots")
        if not os.path.isdir(snapshots):
            return None
        found = sorted(name for name in os.listdir(snapshots) if name != "latest")
        # Below a snapshot is the company's whole path, or the company itself, by version.
        return below(os.path.join(snapshots, found[0]), self.company) if found else None


class Borg(Peer):
    """borg: content-defined chunks, zstd, here without encryption."""

    name = "borg"

    def __init__(self, company, work):
        super().__init__(company, work)
        self.env |= {"BORG_BASE_DIR": self.home, "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"}
        self.count = 0

    @classmethod
    def present(cls):
        return shutil.which("borg") is not None

    def prepare(self):
        machine.run(["borg", "init", "-e", "none", self.archive], env=self.env)

    def backup(self):
        self.count += 1
        return ["borg", "create", "-C", "zstd,3", f"{self.archive}::run{self.count}", "."]

    def mount(self, target):
        return ["borg", "mount", "-f", f"{self.archive}::run1", target]

    def root(self, target):
        return below(target, self.company)


ALL = [Copy, TarZstd, TarZstdLong, Restic, Borg]


def below(top, company):
    """Returns the directory below `top` that holds the company's mailboxes, or none."""
    mailbox = sorted(os.listdir(company))[0]
    for candidate in (top, os.path.join(top, company.lstrip("/"))):
        if os.path.isdir(os.path.join(candidate, mailbox)):
            return candidate
    return None


class Mounted:
    """A peer's archive as a directory, for as long as a `with` lasts."""

    def __init__(self, peer, target):
        self.peer, self.target = peer, target

    def __enter__(self):
        os.makedirs(self.target, exist_ok=True)
        log = open(os.path.join(self.peer.home, "mount.log"), "wb")
        env = {**os.environ, **self.peer.env}
        self.process = subprocess.Popen(self.peer.mount(self.target), env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            return machine.until(f"{self.peer.name} mounts", self.ready)
        except BaseException:
            self.__exit__()
            raise

    def ready(self):
        if self.process.poll() is not None:
            raise machine.Failed(f"{self.peer.name} mount ended with {self.process.returncode}")
        return self.peer.root(self.target)

    def __exit__(self, *_):
        subprocess.run(["umount", self.target], stderr=subprocess.DEVNULL, check=False)
        subprocess.run(["fusermount3", "-uz", self.target], stderr=subprocess.DEVNULL, check=False)
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(30)
