"""The index over TLS: its certificate is checked, its authority is the operating system's or SSL_CERT_FILE's."""

import asyncio
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lakewarden.studio.index import index_of
from lakewarden.studio.packages import IndexRefused, Source, chunks
from tests.e2e import package_index
from tests.e2e.package_index import Index, wheel


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a key and a certificate of its own for localhost."""
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]),
    )
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    file = tmp_path_factory.mktemp("tls") / "index.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.fixture
def index(certificate: Path) -> Iterator[Index]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with package_index.serving(Index(), context) as made:
        made.offer("tool", wheel("tool", "1.0", {"tool.py": ""}))
        yield made


async def _read(port: int) -> bytes:
    source = Source(index_of(f"https://reader:word@localhost:{port}/simple/"))
    file = (await source.listed("tool"))["tool-1.0-py3-none-any.whl"]
    answer, _ = await source.open(file.address)
    try:
        return b"".join([chunk async for chunk in chunks(answer)])
    finally:
        answer.close()


def test_an_index_whose_certificate_is_trusted_is_read(
    index: Index, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert asyncio.run(_read(index.port)) == index.files["/files/tool-1.0-py3-none-any.whl"]
    assert index.asked[-1] == ("/files/tool-1.0-py3-none-any.whl", "Basic cmVhZGVyOndvcmQ=")


def test_an_index_that_anybody_could_be_is_not(index: Index) -> None:
    with pytest.raises(IndexRefused, match="does not answer"):
        asyncio.run(_read(index.port))
    assert index.asked == []
