"""The kernel's names against what the reference knows of the same algorithms."""

from __future__ import annotations

import platform

import pytest

from conformance.ipsec.transforms import ENCRYPTION, INTEGRITY
from conformance.linux.host import peer_name
from conformance.linux.names import CIPHERS, INTEGRITIES, cipher_name, integrity_name
from conformance.runner.data_plane.algorithms import algorithms


def test_every_planned_cipher_has_a_name_of_the_kernels_making() -> None:
    known = algorithms()
    for level in (*known.ciphers, *known.combined):
        assert "(" in cipher_name(level)


@pytest.mark.parametrize(
    ("level", "name"),
    [
        ("aes192", "cbc(aes)"),
        ("cast56", "cbc(cast5)"),
        ("null", "ecb(cipher_null)"),
        ("aes256ctr", "rfc3686(ctr(aes))"),
        ("aes128gcm8", "rfc4106(gcm(aes))"),
        ("aes192ccm12", "rfc4309(ccm(aes))"),
        ("aes256gmac", "rfc4543(gcm(aes))"),
        ("rot13", "rot13"),
    ],
)
def test_a_cipher_is_asked_for_by_its_name(level: str, name: str) -> None:
    """One that it has no name for is asked for by ours: the refusal is then the kernel's."""
    assert cipher_name(level) == name


@pytest.mark.parametrize(
    ("level", "name"),
    [
        ("sha256", "hmac(sha256)"),
        ("ripemd160", "hmac(rmd160)"),
        ("aesxcbc", "xcbc(aes)"),
        ("aes128gmac", "rfc4543(gcm(aes))"),
        ("crc", "crc"),
    ],
)
def test_an_integrity_algorithm_is_asked_for_by_its_name(level: str, name: str) -> None:
    assert integrity_name(level) == name


def test_key_sizes_and_icvs_are_those_of_the_reference() -> None:
    for (name, octets), level in CIPHERS.items():
        assert ENCRYPTION[level].key_size == octets, name
    for (name, bits), level in INTEGRITIES.items():
        if level in INTEGRITY:
            assert INTEGRITY[level].icv_size * 8 == bits, name


@pytest.mark.parametrize(
    ("release", "name"),
    [
        ("6.1.0-18-amd64", "linux-6.1"),
        ("6.12.43+deb13-amd64", "linux-6.12"),
        ("6.18-rc1", "linux-6.18"),
        ("strange", "linux-strange"),
    ],
)
def test_a_kernel_is_named_by_its_release(
    release: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "release", lambda: release)
    assert peer_name() == name
