"""The programs under test: the lab that serves the company, the daemon that backs it up, the mount."""

import json
import os
import subprocess
import time
import urllib.request

import machine

BIN_DIR = os.environ.get("C2B_BIN_DIR", "")


def program(name):
    """Returns the path of one of our programs."""
    return os.path.join(BIN_DIR, name) if BIN_DIR else name


class Lab:
    """A running `c2b-lab serve`."""

    def __init__(self, company, work):
        log = open(os.path.join(work, "lab.log"), "wb")
        self.process = subprocess.Popen(
            [program("c2b-lab"), "serve", "--org", company, "--listen", "127.0.0.1:0"],
            stdout=subprocess.PIPE,
            stderr=log,
        )
        line = self.process.stdout.readline().decode()
        if not line.startswith("listening on "):
            raise machine.Failed(f"c2b-lab did not start: {line!r}, see {log.name}")
        self.url = line.removeprefix("listening on ").strip()
        self.base = self.url.partition("/EWS/")[0]

    def get(self, path):
        """Returns what the lab says beside EWS."""
        with urllib.request.urlopen(self.base + path) as answer:
            return json.load(answer)

    def counters(self):
        """Returns its counters."""
        return self.get("/lab/counters")

    def reset(self):
        """Sets its counters to zero."""
        urllib.request.urlopen(self.base + "/lab/counters/reset", data=b"").close()

    def stop(self):
        stop(self.process)


class Daemon:
    """A running `c2bd` with folders of its own."""

    def __init__(self, work):
        self.socket = os.path.join(work, "c2bd.sock")
        self.storage = os.path.join(work, "storage")
        self.work = work
        self.log = os.path.join(work, "c2bd.log")
        config, state = os.path.join(work, "etc"), os.path.join(work, "var")
        self.process = subprocess.Popen(
            [program("c2bd"), "--foreground", "--config", config, "--state", state, "--socket", self.socket],
            stdin=subprocess.DEVNULL,
            stdout=open(self.log, "wb"),
            stderr=subprocess.STDOUT,
        )
        machine.until("c2bd listens", lambda: os.path.exists(self.socket) or self.ended())

    def ended(self):
        if self.process.poll() is not None:
            with open(self.log, encoding="utf-8", errors="replace") as log:
                raise machine.Failed(f"c2bd ended with {self.process.returncode}:\n{log.read()[-1500:]}")

    def ctl(self, *arguments):
        """Runs c2bctl."""
        command = [program("c2bctl"), "--socket", self.socket, *arguments]
        return machine.run(command, env={"PATH": f"{BIN_DIR}:{os.environ['PATH']}"}, keep_output=True)

    def prepare(self, url):
        """Makes the connection, the storage and the job."""
        password = os.path.join(self.work, "password")
        with open(os.open(password, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
            file.write("secret\n")
        self.ctl("connection", "create", "lab", "--kind", "ews", "--url", url, "--user", "admin", "--password-file", password)
        self.ctl("storage", "create", "main", "--path", self.storage)
        job = ["--connection", "lab", "--storage", "main", "--all-except", "nobody@example.com", "--one-time"]
        self.ctl("job", "create", "all", *job)

    def cycle(self, lab):
        """Runs the job once; returns its figures: the daemon's own CPU, what it asked of the lab, what the archive grew by."""
        _, before = machine.size(self.storage)
        lab.reset()
        cpu, busy, lab_cpu = machine.cpu_secs(self.process.pid), machine.busy_secs(), machine.cpu_secs(lab.process.pid)
        wall = self.ctl("job", "start", "all", "--wait").wall_secs
        cpu = machine.cpu_secs(self.process.pid) - cpu
        lab_cpu = machine.cpu_secs(lab.process.pid) - lab_cpu
        others = machine.busy_secs() - busy - cpu - lab_cpu
        counters = lab.counters()
        files, after = machine.size(self.storage)
        return {
            "wall_secs": wall,
            "cpu_secs": cpu,
            "lab_cpu_secs": lab_cpu,
            "others_percent": 100 * max(0.0, others) / (wall * machine.CPUS),
            "rss_mb": machine.rss_mb_max(self.process.pid),
            "requests": counters["requests"],
            "requests_by_operation": counters["by_operation"],
            "fetched_bytes": counters["bytes_out"],
            "archive_files": files,
            "archive_bytes": after,
            "grown_bytes": after - before,
        }

    def mount(self, target):
        """Mounts the storage and returns the seconds until its mailboxes can be listed."""
        os.makedirs(target, exist_ok=True)
        began = time.perf_counter()
        self.ctl("mount", "main", target)
        machine.until("the mount shows its mailboxes", lambda: listed(os.path.join(target, "mailboxes")))
        return time.perf_counter() - began

    def unmount(self, target):
        self.ctl("unmount", target)

    def stop(self):
        stop(self.process)


def listed(directory):
    """Returns the entries of a directory, or none while it is not there."""
    try:
        return os.listdir(directory)
    except FileNotFoundError:
        return []


def stop(process):
    """Asks a process we started to end, and waits until it has."""
    if process.poll() is None:
        process.terminate()
        process.wait(60)
