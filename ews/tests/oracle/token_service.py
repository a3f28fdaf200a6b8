"""A token service that checks a client's assertion with PyJWT, and an EWS server that takes its tokens.

Arguments: certificate (PEM) of the client, its id, file with the answer. Prints its port.
"""

import base64
import http.server
import json
import sys
import urllib.parse

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes

pem, client_id, answer_file = sys.argv[1:4]
certificate = x509.load_pem_x509_certificate(open(pem, "rb").read())
answer = open(answer_file, "rb").read()
used = set()


def check(form, url):
    assert form["grant_type"] == ["client_credentials"], form
    assert form["client_assertion_type"] == ["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"], form
    assertion = form["client_assertion"][0]
    head = jwt.get_unverified_header(assertion)
    thumbprint = base64.urlsafe_b64encode(certificate.fingerprint(hashes.SHA256())).decode().rstrip("=")
    assert head["x5t#S256"] == thumbprint, head
    claims = jwt.decode(
        assertion,
        certificate.public_key(),
        algorithms=["PS256"],
        audience=url,
        issuer=client_id,
        options={"require": ["exp", "nbf", "iat", "jti", "sub", "aud", "iss"]},
    )
    assert claims["sub"] == client_id and claims["exp"] - claims["nbf"] <= 600, claims
    assert claims["jti"] not in used, "an assertion is used once"
    used.add(claims["jti"])


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/tenant/oauth2/v2.0/token":
            try:
                check(urllib.parse.parse_qs(body.decode(), strict_parsing=True), f"http://127.0.0.1:{server.server_address[1]}{self.path}")
            except Exception as error:
                return self.send(401, json.dumps({"error": "invalid_client", "error_description": repr(error)}).encode())
            return self.send(200, json.dumps({"access_token": f"good-{len(used)}", "expires_in": 3600, "token_type": "Bearer"}).encode())
        good = self.headers.get("Authorization") == f"Bearer good-{len(used)}"
        self.send(200 if good else 401, answer if good else b"")

    def send(self, status, body):
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", "Bearer")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
