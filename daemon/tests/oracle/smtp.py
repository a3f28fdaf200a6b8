"""A mail server that is not ours, and a reader of what it took.

smtp.py FOLDER TLS SIGN-IN: writes FOLDER/ca.pem, prints the port, and serves 127.0.0.1 until standard input ends.
TLS is "none", "starttls" or "tls"; the certificate is for "localhost" and 127.0.0.1, or, with "-other" behind, for another name.
SIGN-IN is "no", or mechanisms that are offered: "plain", "login"; the user is c2b, the password "right".
FOLDER/log has a line for each step of a client; FOLDER/mails a JSON object for each mail, as Python's email package reads it.
A recipient "refused@..." is refused for good, "later@..." the first time for now.
"""

import asyncio
import datetime
import email
import email.policy
import email.utils
import ipaddress
import json
import pathlib
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

folder, tls, sign_in = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]


def note(file, text):
    with open(folder / file, "a", encoding="utf-8") as out:
        out.write(text + "\n")


def made(subject, issuer, key, signer, names):
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=9))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), False)
    else:
        builder = builder.add_extension(x509.BasicConstraints(True, None), True)
    return builder.sign(signer, hashes.SHA256())


def context():
    def name(text):
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = made(name("authority"), name("authority"), authority, authority, [])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    if tls.endswith("-other"):
        names = [x509.DNSName("mail.example.org")]
    leaf = made(name("server"), name("authority"), key, authority, names)
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(root.public_bytes(pem))
    (folder / "server.pem").write_bytes(
        leaf.public_bytes(pem) + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    made_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made_context.load_cert_chain(folder / "server.pem")
    return made_context


class Handler:
    def __init__(self):
        self.put_off = set()

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        session.host_name = hostname
        note("log", "EHLO " + hostname)
        return responses

    async def handle_MAIL(self, server, session, envelope, address, options):
        note("log", "MAIL")
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        note("log", "RCPT " + address)
        if address.startswith("refused@"):
            return "550 5.1.1 no such user"
        if address.startswith("later@") and address not in self.put_off:
            self.put_off.add(address)
            return "451 4.7.1 try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        date = email.utils.parsedate_to_datetime(str(mail["date"]))
        read = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "secure": session.ssl is not None or tls.startswith("tls"),
            "headers": {name.lower(): str(value) for name, value in mail.items()},
            "date": date.astimezone(datetime.timezone.utc).isoformat(),
            "text": mail.get_content(),
            "defects": [repr(d) for d in mail.defects] + [repr(d) for value in mail.values() for d in value.defects],
            "longest": max(len(line) for line in envelope.content.split(b"\r\n")),
            "ascii": envelope.content.isascii(),
        }
        note("mails", json.dumps(read))
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    login, password = bytes(data.login).decode(), bytes(data.password).decode()
    note("log", f"AUTH {mechanism} {login}")
    if (login, password) == ("c2b", "right"):
        return AuthResult(success=True)
    return AuthResult(success=False, handled=False)


def protocol():
    options = {"hostname": "localhost", "enable_SMTPUTF8": True}
    if tls.startswith("starttls"):
        options |= {"tls_context": secure, "require_starttls": True}
    if sign_in != "no":
        exclude = {"PLAIN", "LOGIN"} - {sign_in.upper()}
        options |= {"authenticator": authenticate, "auth_required": True, "auth_exclude_mechanism": exclude}
        options |= {"auth_require_tls": tls.startswith("starttls")}
    return SMTP(handler, **options)


async def serve():
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0, ssl=secure if tls.startswith("tls") else None)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


secure, handler = context() if tls != "none" else None, Handler()
asyncio.run(serve())
