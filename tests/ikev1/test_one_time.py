"""One-time passwords against the values of RFC 2289 Appendix C, MD4 against RFC 1320 A.5."""

from __future__ import annotations

import pytest

from conformance.crypto.md4 import md4
from conformance.ikev1 import one_time

DIGESTS = [
    (b"", "31d6cfe0d16ae931b73c59d7e0c089c0"),
    (b"a", "bde52cb31de33e46245e05fbdbd6fb24"),
    (b"abc", "a448017aaf21d8525fc10ae87aa6729d"),
    (b"message digest", "d9130a8164549fe818874806e1c7014b"),
    (b"abcdefghijklmnopqrstuvwxyz", "d79e1c308aa5bbcdeea8ed63df412da9"),
    (8 * b"1234567890", "e33b4ddc9c38f2199c3e7b164fcc0536"),
]


@pytest.mark.parametrize(("data", "digest"), DIGESTS)
def test_md4(data: bytes, digest: str) -> None:
    assert md4(data).hex() == digest


TEST, ALPHA, GOOD = (
    (b"This is a test.", "TeSt"),
    (b"AbCdEfGhIjK", "alpha1"),
    (b"OTP's are good", "correct"),
)
PASSWORDS = [
    ("otp-md4", 0, TEST, "D185 4218 EBBB 0B51"),
    ("otp-md4", 1, TEST, "6347 3EF0 1CD0 B444"),
    ("otp-md4", 99, TEST, "C5E6 1277 6E6C 237A"),
    ("otp-md4", 0, ALPHA, "5007 6F47 EB1A DE4E"),
    ("otp-md4", 1, ALPHA, "65D2 0D19 49B5 F7AB"),
    ("otp-md4", 99, ALPHA, "D150 C82C CE6F 62D1"),
    ("otp-md4", 0, GOOD, "849C 79D4 F6F5 5388"),
    ("otp-md4", 1, GOOD, "8C09 92FB 2508 47B1"),
    ("otp-md4", 99, GOOD, "3F3B F4B4 145F D74B"),
    ("otp-md5", 0, TEST, "9E87 6134 D904 99DD"),
    ("otp-md5", 1, TEST, "7965 E054 36F5 029F"),
    ("otp-md5", 99, TEST, "50FE 1962 C496 5880"),
    ("otp-md5", 0, ALPHA, "8706 6DD9 644B F206"),
    ("otp-md5", 1, ALPHA, "7CD3 4C10 40AD D14B"),
    ("otp-md5", 99, ALPHA, "5AA3 7A81 F212 146C"),
    ("otp-md5", 0, GOOD, "F205 7539 43DE 4CF9"),
    ("otp-md5", 1, GOOD, "DDCD AC95 6F23 4937"),
    ("otp-md5", 99, GOOD, "B203 E28F A525 BE47"),
    ("otp-sha1", 0, TEST, "BB9E 6AE1 979D 8FF4"),
    ("otp-sha1", 1, TEST, "63D9 3663 9734 385B"),
    ("otp-sha1", 99, TEST, "87FE C776 8B73 CCF9"),
    ("otp-sha1", 0, ALPHA, "AD85 F658 EBE3 83C9"),
    ("otp-sha1", 1, ALPHA, "D07C E229 B5CF 119B"),
    ("otp-sha1", 99, ALPHA, "27BC 7103 5AAF 3DC6"),
    ("otp-sha1", 0, GOOD, "D51F 3E99 BF8E 6F0B"),
    ("otp-sha1", 1, GOOD, "82AE B52D 9437 74E4"),
    ("otp-sha1", 99, GOOD, "4F29 6A74 FE15 67EC"),
]


@pytest.mark.parametrize(("algorithm", "count", "source", "password"), PASSWORDS)
def test_published_passwords(
    algorithm: str, count: int, source: tuple[bytes, str], password: str
) -> None:
    """RFC 2289 Appendix C; the seed counts in lower case."""
    challenge = f"{algorithm} {count} {source[1]} ext".encode()
    assert one_time.response(source[0], challenge) == password.lower().encode()
    assert one_time.normal(password.encode()) == password.lower().replace(" ", "").encode()


def test_s_key_is_otp_with_md4() -> None:
    """RFC 1760 has only MD4."""
    otp, s_key = (b" 99 ke1234".join((name, b"")) for name in (b"otp-md4", b"s/key"))
    assert one_time.response(b"pass", otp) == one_time.response(b"pass", s_key) is not None


def test_one_time_password_of_the_draft() -> None:
    """draft-beaulieu-ike-xauth-02 5.4 has this answer; its passphrase is RFC 2289's own."""
    otp = b"otp-md5 499 ke1234"
    assert one_time.response(b"This is a test.", otp) == b"5bf0 75d9 959d 036f"


@pytest.mark.parametrize(
    "challenge",
    [
        b"",
        b"otp-md5",
        b"otp-md6 1 seed",
        b"otp-md5 x seed",
        b"otp-md5 99999999 seed",
        b"otp-md5 -1 seed",
    ],
)
def test_challenges_that_are_none(challenge: bytes) -> None:
    assert one_time.response(b"secret", challenge) is None
