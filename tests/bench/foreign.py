"""exchangelib fetches the same items from the same lab: what a script in Python would need, at its best settings.

Each item is asked for twice, as a backup does: its full-fidelity stream (ExportItems) and its MIME (GetItem). Nothing is kept.
It runs in an environment of its own, below the cache; run as a program, this file is what runs in there.
"""

import json
import os
import subprocess
import sys
import threading
import time

PACKAGES = ["exchangelib==5.6.0"]
# Found by trying: more items in a request or more threads make it no faster on loopback, since Python computes on one core at a time.
ITEMS_PER_REQUEST = 100
THREADS_TRIED = (1, 4)


def python():
    """Returns the interpreter with exchangelib, or none where it cannot be had."""
    venv = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "c2b", "venv")
    found = os.path.join(venv, "bin", "python")
    check = [found, "-c", "import exchangelib"]
    if not os.path.exists(found) or subprocess.run(check, stderr=subprocess.DEVNULL).returncode != 0:
        subprocess.run([sys.executable, "-m", "venv", venv], stdout=subprocess.DEVNULL)
        subprocess.run([found, "-m", "pip", "install", "--quiet", *PACKAGES])
    return found if os.path.exists(found) and subprocess.run(check, stderr=subprocess.DEVNULL).returncode == 0 else None


def fetch(lab, mailboxes):
    """Fetches some mailboxes with each of the settings; returns the figures of the best, or none without exchangelib."""
    interpreter = python()
    if interpreter is None:
        return None
    runs = []
    for threads in THREADS_TRIED:
        lab.reset()
        command = [interpreter, os.path.abspath(__file__), lab.url, str(threads), *mailboxes]
        output = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
        figures = json.loads(output.splitlines()[-1])
        counters = lab.counters()
        runs.append({**figures, "threads": threads, "exported": counters["items_exported"], "requests": counters["requests"]})
    return min(runs, key=lambda run: run["wall_secs"])


def main(url, threads, mailboxes):
    """Fetches mailboxes, some side by side, and prints what that took."""
    from exchangelib import IMPERSONATION, Account, Configuration, Credentials
    from exchangelib.version import EXCHANGE_2016, Version

    sign_in = Credentials("admin", "secret")
    config = Configuration(service_endpoint=url, credentials=sign_in, auth_type="basic", version=Version(EXCHANGE_2016), max_connections=threads)
    waiting, lock, totals, failures = list(mailboxes), threading.Lock(), {"items": 0, "item_bytes": 0}, []

    def drain():
        while True:
            with lock:
                if not waiting:
                    return
                address = waiting.pop()
            try:
                account = Account(address, config=config, autodiscover=False, access_type=IMPERSONATION)
                items, size = fetch_mailbox(account)
            except Exception as error:
                failures.append(f"{address}: {error}")
                return
            with lock:
                totals["items"] += items
                totals["item_bytes"] += size

    began, cpu = time.perf_counter(), time.process_time()
    workers = [threading.Thread(target=drain) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if failures:
        sys.exit(failures[0])
    print(json.dumps({**totals, "wall_secs": time.perf_counter() - began, "cpu_secs": time.process_time() - cpu}))


def fetch_mailbox(account):
    """Fetches all items below the root that people see; returns their number and the bytes of their streams."""
    items = size = 0
    for folder in account.msg_folder_root.walk():
        ids = [(item.id, item.changekey) for item in folder.all().only("id", "changekey")]
        for first in range(0, len(ids), ITEMS_PER_REQUEST):
            some = ids[first : first + ITEMS_PER_REQUEST]
            # Classes without MIME are answered with an error each, as to anybody.
            list(account.fetch(ids=some, only_fields=["mime_content"], chunk_size=ITEMS_PER_REQUEST))
            for stream in account.export(some, chunk_size=ITEMS_PER_REQUEST):
                if isinstance(stream, Exception):
                    raise stream
                size += len(stream) * 3 // 4
            items += len(some)
    return items, size


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
