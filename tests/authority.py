"""A real time stamping authority (RFC 3161): ``openssl ts`` behind HTTP on a free loopback port."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.loopback import Quiet, answering

_CONFIG = """
[tsa]
default_tsa = here
[here]
serial = {root}/serial
default_policy = 1.2.3.4.1
signer_digest = sha256
digests = sha256, sha512
accuracy = secs:1
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(
    subject: str, issuer: str, key: RSAPrivateKey, signer: RSAPrivateKey, *extensions: tuple[x509.ExtensionType, bool]
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(signer, SHA256())


@dataclass
class Authority:
    """A running authority. ``meddle`` changes what it answers; ``away`` makes it answer with 503."""

    root: Path
    url: str = ""
    away: bool = False
    asked: int = 0
    meddle: Callable[[bytes], bytes] = field(default=lambda answer: answer)

    @property
    def certificates(self) -> Path:
        """What its clients are given: the root's certificate."""
        return self.root / "root.pem"

    def reply(self, query: bytes) -> bytes:
        """What ``openssl ts`` answers."""
        (self.root / "query").write_bytes(query)
        made = subprocess.run(
            [
                "openssl", "ts", "-reply", "-config", self.root / "tsa.cnf", "-section", "here", "-queryfile",
                self.root / "query", "-signer", self.root / "leaf.pem", "-inkey", self.root / "leaf.key",
            ],
            capture_output=True, check=False,
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        return made.stdout


def _make_certificates(root: Path) -> None:
    root_key, leaf_key = generate_private_key(65537, 2048), generate_private_key(65537, 2048)
    constraints = (x509.BasicConstraints(ca=True, path_length=None), True)
    signing = x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    authority = _certificate("root", "root", root_key, root_key, constraints, (signing, True))
    stamping = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True)
    leaf = _certificate("leaf", "root", leaf_key, root_key, stamping)
    (root / "root.pem").write_bytes(authority.public_bytes(Encoding.PEM))
    (root / "leaf.pem").write_bytes(leaf.public_bytes(Encoding.PEM))
    key = leaf_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (root / "leaf.key").write_bytes(key)
    (root / "serial").write_text("01\n")
    (root / "tsa.cnf").write_text(_CONFIG.format(root=root))


@contextmanager
def authority(root: Path) -> Iterator[Authority]:
    """Run one, its keys below ``root``."""
    root.mkdir(parents=True)
    _make_certificates(root)
    made = Authority(root)

    class Handler(Quiet, BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers["Content-Type"] == "application/timestamp-query"
            made.asked += 1
            if made.away:
                self.send_error(503)
                return
            answer = made.meddle(made.reply(query))
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    with answering(Handler) as port:
        made.url = f"http://127.0.0.1:{port}/"
        yield made
