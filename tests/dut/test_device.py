"""``dut.toml``: what it may say, and how each mistake in it is answered."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from conformance.dut.claims import OUT_OF_REACH, completed_claims, not_chosen
from conformance.dut.device import Device, Trigger, read_device
from conformance.dut.paste import device_file
from conformance.errors import UserError
from conformance.matrix.factors import FACTORS

if TYPE_CHECKING:
    from pathlib import Path


def written(device: Device, folder: Path, old: str = "", new: str = "") -> Path:
    """The device's file, with one text in it exchanged."""
    text = device_file(device, "dut.toml")
    assert old in text
    path = folder / "dut.toml"
    path.write_text(text.replace(old, new) if old else text)
    return path


def test_what_is_written_is_read_back(device: Device, tmp_path: Path) -> None:
    """Every field survives, quotes and backslashes in a secret too."""
    odd = replace(
        device,
        description='a "device" \\ of ours',
        roles=("responder", "initiator"),
        trigger=Trigger(command=("ssh", "{mode}"), chooses=("mode",), timeout=3.5),
    )
    read = read_device(written(odd, tmp_path))
    assert replace(read, here=odd.here, device=odd.device, claims=odd.claims) == odd
    assert read.levels == odd.levels
    assert (read.here.proven, read.device.proven) == (odd.here.proven, odd.device.proven)


def test_the_file_explains_every_key(device: Device) -> None:
    """Each table of it has a comment, and every factor a list."""
    text = device_file(device, "dut.toml")
    tables = [line for line in text.splitlines() if line.startswith("[")]
    assert [line for line in tables if "#" not in line] == ["[secrets]", "[trigger]"]
    assert set(tomllib.loads(text)["claims"]) == {factor.name for factor in FACTORS}


MISTAKES = [
    ('address = "192.0.2.1"', 'address = "192.0.2.300"', "192.0.2.300"),
    ('address = "192.0.2.1"', "address = 5", "expected IPv4Address as text, got int"),
    ('address = "192.0.2.1"', 'address = "192.0.2.2"', "the same address"),
    ("10.1.0.0/24", "10.2.0.0/16", "is not in 10.2.0.0/16"),
    (
        'inner_subnet = "10.1.0.0/24"',
        'inner_subnet = "10.0.0.0/8"',
        "the two inner subnets overlap",
    ),
    ("ipv4:192.0.2.2", "host:gw", "'host:gw' is no identity"),
    ('roles = ["responder"]', 'roles = ["gateway"]', "gateway"),
    ('roles = ["responder"]', "roles = []", "roles is empty"),
    ('name = "dut"', 'name = "reference"', "'reference' is taken"),
    ('name = "dut"', 'name = "a/b"', "other than letters"),
    ("[secrets]", "[secret]", "secret"),
    ('cipher = ["aes128"', 'cipher = ["aes127"', "aes127"),
    ("hash = [", "hashes = [", "hashes"),
    ("nat = [", 'nat = ["initiator", ', "initiator cannot be tried: the suite has no NAT"),
    ("chooses = []", 'chooses = ["modes"]', "there is no factor 'modes'"),
    ("timeout = 30.0", 'timeout = "long"', "timeout"),
    ("[claims]", "[claims", "dut.toml"),
]


@pytest.mark.parametrize(("old", "new", "words"), MISTAKES, ids=[new for _, new, _ in MISTAKES])
def test_a_mistake_is_told_by_file_and_words(
    device: Device, tmp_path: Path, old: str, new: str, words: str
) -> None:
    path = written(device, tmp_path, old, new)
    with pytest.raises(UserError) as caught:
        read_device(path)
    assert words in str(caught.value.message)
    assert str(path) in caught.value.message
    assert caught.value.hint


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read .*nothing\.toml"):
        read_device(tmp_path / "nothing.toml")


def test_secrets_are_in_no_representation(device: Device) -> None:
    assert "secret-psk" not in repr(device)


@pytest.mark.parametrize(("name", "level"), OUT_OF_REACH, ids="=".join)
def test_what_is_out_of_reach_is_a_level(name: str, level: str) -> None:
    assert level in next(factor for factor in FACTORS if factor.name == name).known


@pytest.mark.parametrize(
    ("claims", "name", "levels"),
    [
        ({}, "cipher", ("aes128",)),
        ({"protocol": ("esp", "ah")}, "esp_cipher", ("aes128", "none")),
        ({"protocol": ("ah",), "esp_cipher": ("none",)}, "esp_cipher", ("none",)),
        ({"esp_cipher": ("aes128gcm16", "aes128")}, "esp_integrity", ("sha256", "none")),
        ({"esp_cipher": ("aes128",)}, "esp_integrity", ("sha256",)),
    ],
)
def test_claims_are_completed(claims: Any, name: str, levels: tuple[str, ...]) -> None:
    """AH encrypts nothing and AEAD has no MAC beside it: both need the level none."""
    assert completed_claims(claims)[name] == levels


def test_a_device_begins_with_its_first_levels_alone(device: Device) -> None:
    """As initiator; as responder it takes all that it claims."""
    manifest = replace(device, roles=("initiator", "responder")).manifest()
    plain = {name: levels[0] for name, levels in device.levels.items()}
    for name in ("mode", "pfs"):
        other = plain | {name: device.levels[name][1]}
        assert manifest.undeclared(other, "responder") == []
        assert manifest.undeclared(other, "initiator") == [f"dut: {name}={other[name]}"]
    assert not_chosen(device.levels, ("mode", "pfs"))[0].when == {"event": ("rekey", "rekey-bytes")}


def test_the_group_is_negotiated_but_in_aggressive_mode() -> None:
    """KE is in its first message (RFC 2409 5)."""
    levels = completed_claims({"group": ("modp2048", "ecp256"), "exchange": ("main", "aggressive")})
    found = [one.when for one in not_chosen(levels, ("exchange",))]
    assert {"exchange": ("aggressive",), "group": ("ecp256",)} in found
    assert {"group": ("ecp256",)} not in found
    assert all("group" not in one.when for one in not_chosen(levels, ("exchange", "group")))
