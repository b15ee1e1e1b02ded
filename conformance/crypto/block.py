"""CBC over block ciphers that no kept library has (RFC 2451 3)."""

from __future__ import annotations

from typing import ClassVar, Protocol


class CbcCipher(Protocol):
    """A keyed cipher in CBC mode; both methods take whole blocks, else raise ValueError."""

    def encrypt(self, iv: bytes, plaintext: bytes) -> bytes:
        """The ciphertext, as long as the plaintext."""

    def decrypt(self, iv: bytes, ciphertext: bytes) -> bytes:
        """The plaintext, padding and all."""


class BlockCipher:
    """CBC around encrypt_block and decrypt_block; not constant-time, for conformance tests only."""

    block_size: ClassVar[int]
    """In octets."""

    def encrypt_block(self, block: bytes) -> bytes:
        """One block under the key."""
        raise NotImplementedError

    def decrypt_block(self, block: bytes) -> bytes:
        """The inverse of encrypt_block."""
        raise NotImplementedError

    def encrypt(self, iv: bytes, plaintext: bytes) -> bytes:
        """C(n) = E(P(n) ^ C(n-1)), C(0) the IV."""
        chain, out = iv, bytearray()
        for block in self._blocks(iv, plaintext):
            chain = self.encrypt_block(xor(block, chain))
            out += chain
        return bytes(out)

    def decrypt(self, iv: bytes, ciphertext: bytes) -> bytes:
        """P(n) = D(C(n)) ^ C(n-1), C(0) the IV."""
        chain, out = iv, bytearray()
        for block in self._blocks(iv, ciphertext):
            out += xor(self.decrypt_block(block), chain)
            chain = block
        return bytes(out)

    def _blocks(self, iv: bytes, data: bytes) -> list[bytes]:
        size = self.block_size
        if len(iv) != size:
            raise ValueError(f"the IV has {len(iv)} octets, not {size}")
        if len(data) % size:
            raise ValueError(f"{len(data)} octets are no whole number of {size} octet blocks")
        return [data[start : start + size] for start in range(0, len(data), size)]


def xor(first: bytes, second: bytes) -> bytes:
    """The exclusive or of two strings of one length."""
    return bytes(a ^ b for a, b in zip(first, second, strict=True))


def words(data: bytes, size: int = 4) -> list[int]:
    """The little-endian words of a string, zeros appended to a whole number of them."""
    padded = data + bytes(-len(data) % size)
    return [int.from_bytes(padded[at : at + size], "little") for at in range(0, len(padded), size)]


def rotate_left(word: int, count: int) -> int:
    """A 32-bit word rotated; the count is taken modulo 32."""
    count &= 31
    return (word << count | word >> (32 - count)) & 0xFFFFFFFF
