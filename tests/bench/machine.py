"""This machine: commands with their wall clock and CPU, other processes' CPU, sizes on disk, the page cache."""

import json
import os
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass

TICKS_PER_SEC = os.sysconf("SC_CLK_TCK")
CPUS = os.cpu_count() or 1


@dataclass
class Cost:
    """What a command took: seconds of wall clock and CPU, and the largest resident set of one of its processes."""

    wall_secs: float
    cpu_secs: float
    rss_mb: float
    output: str = ""


class Failed(Exception):
    """A command ended badly; the text is its command line and the end of what it said."""


def run(command, cwd=None, env=None, keep_output=False):
    """Runs a command (a list, or a line for bash) to its end and returns its Cost. Raises Failed."""
    argv = command if isinstance(command, list) else ["bash", "-o", "pipefail", "-c", command]
    # Files, not pipes: whatever a program says, nobody must drain it for it to go on.
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as said:
        began = time.perf_counter()
        process = subprocess.Popen(
            argv,
            cwd=cwd,
            env={**os.environ, "LC_ALL": "C.UTF-8", **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=output if keep_output else subprocess.DEVNULL,
            stderr=said,
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        said.seek(0)
        output, said = output.read(), said.read()
    if process.returncode != 0:
        tail = (output[-700:] + said[-700:]).decode(errors="replace")
        raise Failed(f"{command} ended with {process.returncode}:\n{tail}")
    cpu = usage.ru_utime + usage.ru_stime
    return Cost(wall, cpu, usage.ru_maxrss / 1024, output.decode(errors="replace"))


def last_json(output):
    """Returns the object in the last line of a program's output; an empty one when there is none."""
    line = output.strip().rpartition("\n")[2]
    return json.loads(line) if line.startswith("{") else {}


def cpu_secs(pid):
    """Returns the CPU seconds that a process and its ended children have used (proc(5), stat)."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        # The name in parentheses may hold anything; the fields after it are numbers.
        fields = file.read().rpartition(b")")[2].split()
    return sum(int(field) for field in fields[11:15]) / TICKS_PER_SEC


def rss_mb_max(pid):
    """Returns the largest resident set a process has had, in MB."""
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0


def busy_secs():
    """Returns the CPU seconds all processes of the machine have used since it started."""
    with open("/proc/stat", encoding="ascii") as file:
        fields = [int(field) for field in file.readline().split()[1:]]
    return (sum(fields[:3]) + sum(fields[5:8])) / TICKS_PER_SEC


def pids_of(word):
    """Returns the processes that have this word among their arguments, other than this one."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                with open(f"/proc/{name}/cmdline", "rb") as file:
                    arguments = file.read().split(b"\0")
            except OSError:
                continue
            if os.fsencode(word) in arguments:
                found.append(int(name))
    return found


def size(*tops):
    """Returns the number of files below some directories, and the sum of their sizes in bytes."""
    files = total = 0
    for top in tops:
        if os.path.isfile(top):
            files, total = files + 1, total + os.path.getsize(top)
        for directory, _, names in os.walk(top):
            for name in names:
                files += 1
                total += os.lstat(os.path.join(directory, name)).st_size
    return files, total


def evict(top):
    """Drops the contents of the files below a directory from the page cache; inodes and directories stay."""
    os.sync()
    for directory, _, names in os.walk(top):
        for name in names:
            handle = os.open(os.path.join(directory, name), os.O_RDONLY | os.O_NOFOLLOW)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)


def aside(measure, *arguments):
    """Runs a function in a process of its own and returns its (JSON) result. Raises Failed.

    A command's peak memory counts from the process that started it, so this one has to stay small.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.close(reader)
            try:
                answer = {"result": measure(*arguments)}
            except (Failed, OSError) as failure:
                answer = {"failure": str(failure)}
            with os.fdopen(writer, "w", encoding="utf-8") as file:
                json.dump(answer, file)
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as file:
        text = file.read()
    os.waitpid(pid, 0)
    answer = json.loads(text or '{"failure": "a measurement ended without a word"}')
    if "failure" in answer:
        raise Failed(answer["failure"])
    return answer["result"]


def until(what, condition, secs_max=60):
    """Waits until a condition holds and returns what it returned."""
    end = time.perf_counter() + secs_max
    while time.perf_counter() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.005)
    raise Failed(f"waited {secs_max} s in vain: {what}")
