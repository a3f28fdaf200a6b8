"""The floor of the network: the bytes of a first backup, fetched from the lab and thrown away.

Each item is asked for twice, as a backup does: its full-fidelity stream (ExportItems) and its MIME (GetItem).
Nothing is parsed or kept. HTTP/1.0, so that the end of an answer is the end of its connection.
"""

import base64
import queue
import socket
import threading
import time
from xml.sax.saxutils import quoteattr

import machine

ITEMS_PER_REQUEST = 20
CONNECTIONS = 4

ENVELOPE = (
    '<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"'
    ' xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"'
    ' xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"><s:Header>'
    '<t:RequestServerVersion Version="Exchange2013_SP1"/><t:ExchangeImpersonation><t:ConnectingSID>'
    "<t:PrimarySmtpAddress>{mailbox}</t:PrimarySmtpAddress></t:ConnectingSID></t:ExchangeImpersonation></s:Header>"
    "<s:Body>{body}</s:Body></s:Envelope>"
)
EXPORT = "<m:ExportItems><m:ItemIds>{ids}</m:ItemIds></m:ExportItems>"
GET = (
    "<m:GetItem><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:IncludeMimeContent>true</t:IncludeMimeContent>"
    "</m:ItemShape><m:ItemIds>{ids}</m:ItemIds></m:GetItem>"
)


def floor(lab, mailboxes):
    """Fetches all items of some mailboxes; returns the figures."""
    work = queue.SimpleQueue()
    items = 0
    for mailbox in mailboxes:
        listed = lab.get(f"/lab/items?mailbox={mailbox}")
        items += len(listed)
        for first in range(0, len(listed), ITEMS_PER_REQUEST):
            ids = "".join(f"<t:ItemId Id={quoteattr(item['id'])}/>" for item in listed[first : first + ITEMS_PER_REQUEST])
            for body in (EXPORT, GET):
                work.put(request(mailbox, body.format(ids=ids)))
    lab.reset()
    address = lab.base.removeprefix("http://").split(":")
    address = (address[0], int(address[1]))
    totals, failures = [], []
    threads = [threading.Thread(target=drain, args=(work, address, totals, failures)) for _ in range(CONNECTIONS)]
    lab_cpu, own_cpu, began = machine.cpu_secs(lab.process.pid), time.process_time(), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall = time.perf_counter() - began
    counters = lab.counters()
    if failures or counters["items_exported"] != items or counters["mime_items"] > items:
        raise machine.Failed(f"the floor fetched {counters['items_exported']} of {items} items: {failures[:1]}")
    return {
        "wall_secs": wall,
        "cpu_secs": time.process_time() - own_cpu,
        "lab_cpu_secs": machine.cpu_secs(lab.process.pid) - lab_cpu,
        "requests": counters["requests"],
        "fetched_bytes": sum(totals),
    }


def request(mailbox, body):
    """Returns the bytes of a request."""
    body = ENVELOPE.format(mailbox=mailbox, body=body).encode()
    credentials = base64.b64encode(b"admin:secret").decode()
    head = (
        f"POST /EWS/Exchange.asmx HTTP/1.0\r\nHost: lab\r\nAuthorization: Basic {credentials}\r\n"
        f"Content-Type: text/xml; charset=utf-8\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def drain(work, address, totals, failures):
    """Sends requests until there are none, and throws the answers away."""
    buffer = bytearray(1 << 20)
    while True:
        try:
            message = work.get_nowait()
        except queue.Empty:
            return
        total = 0
        with socket.create_connection(address) as connection:
            connection.sendall(message)
            while count := connection.recv_into(buffer):
                if total == 0 and b" 200 " not in buffer[:20]:
                    failures.append(bytes(buffer[:200]))
                total += count
        totals.append(total)
