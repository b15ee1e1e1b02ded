"""The cryptography of an exchange alone: what the libraries must compute, with nothing around it.

Every call that an exchange makes of ``conformance.crypto`` is recorded and made again, with the
same arguments, straight of hmac, hashlib, gmpy2 and cryptography. Randomness counts for nothing.
"""

from __future__ import annotations

import hmac
import sys
from collections import Counter
from contextlib import ExitStack
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import gmpy2
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from conformance.crypto import ciphers, modp, prf

if TYPE_CHECKING:
    from collections.abc import Callable


def primitives(work: Callable[[], object], *, exponentiations: int) -> Callable[[], None]:
    """The recorded calls of some work, to be made again; their number is checked."""
    calls: list[tuple[str, Callable[[], object]]] = []
    with _recording(calls):
        work()
    kinds = Counter(kind for kind, _ in calls)
    assert kinds["powmod"] == exponentiations, kinds
    assert all(kinds[name] for name in ("prf", "encrypt_cbc", "decrypt_cbc")), kinds
    bare = [call for _, call in calls]

    def replay() -> None:
        for call in bare:
            call()

    return replay


def _hash(hash_name: str, data: bytes) -> bytes:
    assert hash_name == "sha256"
    return sha256(data).digest()


def _encrypt(key: bytes, iv: bytes, plain: bytes) -> bytes:
    encryptor = Cipher(AES(key), CBC(iv)).encryptor()
    return encryptor.update(plain) + encryptor.finalize()


def _decrypt(key: bytes, iv: bytes, data: bytes) -> bytes:
    decryptor = Cipher(AES(key), CBC(iv)).decryptor()
    return decryptor.update(data) + decryptor.finalize()


# Our function: the call of a library that computes the same from the same arguments.
_BARE: dict[Callable[..., Any], Callable[..., Callable[[], object]]] = {
    prf.prf: lambda name, key, data: partial(hmac.digest, key, data, name),
    prf.digest: lambda name, data: partial(_hash, name, data),
    ciphers.encrypt_cbc: lambda _name, *arguments: partial(_encrypt, *arguments),
    ciphers.decrypt_cbc: lambda _name, *arguments: partial(_decrypt, *arguments),
    gmpy2.powmod: lambda *arguments: partial(gmpy2.powmod, *arguments),
}


class _Powmod:
    """Stands for gmpy2 within ``crypto.modp``."""

    def __init__(self, powmod: Callable[..., Any]) -> None:
        self.powmod = powmod


def _recording(calls: list[tuple[str, Callable[[], object]]]) -> ExitStack:
    """Note every call of these functions, under whatever module they were imported into."""
    stack = ExitStack()
    users = [module for name, module in sys.modules.items() if name.startswith("conformance.")]
    for function in _BARE:
        for module in users:
            for name in [name for name, value in vars(module).items() if value is function]:
                stack.enter_context(patch.object(module, name, _noting(function, calls)))
    stack.enter_context(patch.object(modp, "gmpy2", _Powmod(_noting(gmpy2.powmod, calls))))
    return stack


def _noting(
    function: Callable[..., Any], calls: list[tuple[str, Callable[[], object]]]
) -> Callable[..., Any]:
    def noted(*arguments: Any) -> Any:
        bare = _BARE[function](*arguments)
        result = function(*arguments)
        assert bare() == result
        calls.append((function.__name__, bare))
        return result

    return noted
