"""Signatures in minisign's form, made by openssl and not by what is tested: prehashed ed25519 over BLAKE2b."""

import base64
import hashlib
import secrets
import subprocess
import tempfile
from pathlib import Path


class Key:
    """A pair of keys for a test."""

    def __init__(self, folder):
        self._file = Path(folder) / f"key-{secrets.token_hex(4)}.pem"
        self._id = secrets.token_bytes(8)
        openssl("genpkey", "-algorithm", "ed25519", "-out", self._file)
        # The last 32 octets of the public key's DER are the key itself (RFC 8410 §4).
        self._public = openssl("pkey", "-in", self._file, "-pubout", "-outform", "DER")[-32:]

    @property
    def public(self):
        """The line that says whom to trust."""
        return base64.b64encode(b"Ed" + self._id + self._public).decode()

    def sign(self, octets, trusted="of a test"):
        """The file that lies beside what is signed."""
        signature = self._ed25519(hashlib.blake2b(octets).digest())
        whole = self._ed25519(signature + trusted.encode())
        lines = [
            "untrusted comment: signature of a test",
            base64.b64encode(b"ED" + self._id + signature).decode(),
            f"trusted comment: {trusted}",
            base64.b64encode(whole).decode(),
        ]
        return "".join(f"{line}\n" for line in lines).encode()

    def _ed25519(self, octets):
        # openssl wants to know how long it is before it reads: a file, no pipe.
        with tempfile.NamedTemporaryFile() as file:
            file.write(octets)
            file.flush()
            return openssl("pkeyutl", "-sign", "-inkey", self._file, "-rawin", "-in", file.name)


def openssl(*arguments):
    return subprocess.run(["openssl", *map(str, arguments)], capture_output=True, check=True).stdout
