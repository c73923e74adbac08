"""Digest files as CloudTrail writes them, and the keys that sign them (CloudTrail User Guide, "digest file structure")."""

import gzip
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from lakewarden.audit.model import DigestKey, DigestLink, Trail, TrailFile
from lakewarden.audit.ports import Sealer
from lakewarden.audit.records import moment
from lakewarden.audit.trail_store import TrailStore

_ALGORITHM = "SHA256withRSA"
_PURPOSE = "digest key"
_SLACK = 3600


@dataclass(frozen=True, slots=True)
class Digest:
    """A digest file: its key, gzip bytes and object metadata, and the link that the next one refers to."""

    key: str
    body: bytes
    metadata: dict[str, str]
    link: DigestLink


class DigestKeys:
    """The keys of one account's digests: one signs, all verify."""

    def __init__(self, store: TrailStore, sealer: Sealer, days: int) -> None:
        self._store = store
        self._sealer = sealer
        self._days = days

    def current(self, now: datetime) -> tuple[DigestKey, RSAPrivateKey]:
        """The key that signs; a new one when there is none or its time is over."""
        with self._store.read() as records:
            found = [key for key in records.digest_keys() if key.private_key and key.valid_to > now.timestamp()]
        key = found[-1] if found else self._new(now)
        private = load_der_private_key(self._sealer.open(key.private_key, _PURPOSE), None)
        if not isinstance(private, RSAPrivateKey):
            raise TypeError("a digest key is an RSA key")
        return key, private

    def public(self, start: datetime | None, end: datetime | None) -> list[DigestKey]:
        """The keys whose time overlaps the range."""
        with self._store.read() as records:
            found = records.digest_keys()
        return [
            key
            for key in found
            if (end is None or key.valid_from <= end.timestamp())
            and (start is None or key.valid_to + _SLACK >= start.timestamp())
        ]

    def _new(self, now: datetime) -> DigestKey:
        private = generate_private_key(65537, 2048)
        public = private.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
        plain = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        key = DigestKey(
            hashlib.sha256(public).hexdigest()[:32],
            public,
            self._sealer.seal(plain, _PURPOSE),
            int(now.timestamp()),
            int((now + timedelta(days=self._days)).timestamp()),
        )
        self._store.retire_keys(int(now.timestamp()))
        with self._store.write() as records:
            records.put_key(key)
        return key


def digest_of(
    trail: Trail, account: str, files: Sequence[TrailFile], end: datetime, key: DigestKey, private: RSAPrivateKey
) -> Digest:
    """The digest of ``files``, chained to the trail's last one and signed."""
    name = digest_key(trail, account, end)
    before = trail.digest
    content = {
        "awsAccountId": account,
        "digestStartTime": trail.digest_from or moment(end - timedelta(hours=1)),
        "digestEndTime": moment(end),
        "digestS3Bucket": trail.bucket,
        "digestS3Object": name,
        "digestPublicKeyFingerprint": key.fingerprint,
        "digestSignatureAlgorithm": _ALGORITHM,
        "newestEventTime": max((file.newest for file in files), default=None),
        "oldestEventTime": min((file.oldest for file in files), default=None),
        "previousDigestS3Bucket": before.bucket if before else None,
        "previousDigestS3Object": before.key if before else None,
        "previousDigestHashValue": before.hash if before else None,
        "previousDigestHashAlgorithm": "SHA-256" if before else None,
        "previousDigestSignature": before.signature if before else None,
        "logFiles": [
            {
                "s3Bucket": file.bucket,
                "s3Object": file.key,
                "hashValue": file.hash,
                "hashAlgorithm": "SHA-256",
                "newestEventTime": file.newest,
                "oldestEventTime": file.oldest,
            }
            for file in files
        ],
    }
    inflated = json.dumps(content).encode()
    hashed = hashlib.sha256(inflated).hexdigest()
    previous = before.signature if before else "null"
    to_sign = f"{content['digestEndTime']}\n{trail.bucket}/{name}\n{hashed}\n{previous}"
    signature = private.sign(to_sign.encode(), PKCS1v15(), SHA256()).hex()
    body = gzip.compress(inflated, mtime=0)
    metadata = {"signature": signature, "signature-algorithm": _ALGORITHM}
    return Digest(name, body, metadata, DigestLink(trail.bucket, name, hashed, signature))


def digest_key(trail: Trail, account: str, end: datetime) -> str:
    """Where a digest lies."""
    region = trail.region
    stem = f"{account}_CloudTrail-Digest_{region}_{trail.name}_{region}_{end.astimezone(UTC):%Y%m%dT%H%M%SZ}.json.gz"
    return f"{log_prefix(trail, account)}/CloudTrail-Digest/{region}/{end:%Y/%m/%d}/{stem}"


def log_prefix(trail: Trail, account: str) -> str:
    """``prefix/AWSLogs/account``."""
    return f"{trail.prefix}/AWSLogs/{account}" if trail.prefix else f"AWSLogs/{account}"
