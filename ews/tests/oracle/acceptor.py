"""An EWS server whose sign-in is that of pyspnego: NTLM or Negotiate, over TLS or not.

Arguments: scheme (NTLM or Negotiate), file with the answer, file with certificate and key (or "-"), binding: "right",
"wrong" (of another certificate) or "none". Users are in the file that NTLM_USER_FILE names. Prints its port.
"""

import base64
import hashlib
import http.server
import ssl
import sys

import spnego
from spnego.channel_bindings import GssChannelBindings

scheme, answer_file, pem, binding = sys.argv[1:5]
answer = open(answer_file, "rb").read()


def channel():
    if pem == "-" or binding == "none":
        return None
    der = ssl.PEM_cert_to_DER_cert(open(pem).read().split("-----BEGIN PRIVATE KEY")[0])
    if binding == "wrong":
        der += b"x"
    return GssChannelBindings(application_data=b"tls-server-end-point:" + hashlib.sha256(der).digest())


class Handler(http.server.BaseHTTPRequestHandler):
    """One for each connection, as NTLM asks."""

    protocol_version = "HTTP/1.1"
    context = None
    user = None

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        word, _, token = self.headers.get("Authorization", "").partition(" ")
        if self.user and not word:
            return self.send(200, answer)
        if word != scheme or not token:
            return self.send(401, b"", scheme)
        if self.context is None:
            protocol = "ntlm" if scheme == "NTLM" else "negotiate"
            self.context = spnego.server(protocol=protocol, channel_bindings=channel(), options=spnego.NegotiateOptions.use_negotiate if scheme == "Negotiate" else spnego.NegotiateOptions.use_ntlm)
        try:
            out = self.context.step(base64.b64decode(token))
        except Exception as error:
            print("refused:", repr(error), file=sys.stderr, flush=True)
            self.context = None
            return self.send(401, b"", scheme)
        if self.context.complete:
            assert body, "the body travels with the last leg"
            self.user = self.context.client_principal
            print("signed in:", self.user, self.context.negotiated_protocol, file=sys.stderr, flush=True)
            return self.send(200, answer, scheme + " " + base64.b64encode(out).decode() if out else None)
        assert not body, "a leg that is not the last has no body"
        self.send(401, b"", scheme + " " + base64.b64encode(out or b"").decode())

    def do_GET(self):
        self.send(401, b"", scheme)

    def send(self, status, body, challenge=None):
        self.send_response(status)
        if challenge:
            self.send_header("WWW-Authenticate", challenge)
        self.send_header("Content-Type", "text/xml; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
if pem != "-":
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
