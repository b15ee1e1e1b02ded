"""The files to paste: every claim is in them or told, in the words of each device."""

from __future__ import annotations

import re
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from conformance.dut.offer import make_offer
from conformance.dut.paste import paste
from conformance.dut.style import FOLDER, GENERIC, find_style, styles
from conformance.errors import UserError
from conformance.matrix.constraints import CONSTRAINTS, first_exclusion
from conformance.matrix.factors import FACTORS, find_factor

if TYPE_CHECKING:
    from conformance.dut.device import Device
    from conformance.dut.style import Style

ALL = list(styles().values())
WIDE = {
    "exchange": ("main", "aggressive"),
    "auth": ("psk", "rsa-sig"),
    "cipher": ("aes128", "3des", "camellia256"),
    "hash": ("sha1", "md5", "sha512"),
    "group": ("modp1024", "ecp256", "modp8192"),
    "pfs": ("none", "modp1024", "ecp256"),
    "protocol": ("esp", "ah"),
    "esp_cipher": ("aes256", "aes128gcm16", "null", "serpent128"),
    "esp_integrity": ("sha1", "sha256"),
    "esn": ("no", "yes"),
    "mode": ("tunnel", "transport"),
    "lifetime": ("seconds", "kilobytes"),
}


def names(style: Style) -> str:
    return style.name


@pytest.mark.parametrize("style", ALL, ids=names)
def test_a_style_speaks_of_levels_that_there_are(style: Style) -> None:
    """No word for what is no level; the plain level of every factor can be said."""
    for factor in FACTORS:
        words = style.words[factor.name]
        assert set(words) <= set(factor.known), factor.name
        assert factor.plain in words, factor.name
    assert set(style.data.single) <= {factor.name for factor in FACTORS}
    assert style.data.title
    assert style.data.sources or style.name == GENERIC


@pytest.mark.parametrize("style", ALL, ids=names)
def test_every_template_is_a_file_of_its_style(style: Style) -> None:
    templates = {
        path.name.removesuffix(".jinja2") for path in (FOLDER / style.name).glob("*.jinja2")
    }
    assert templates == set(style.data.files)


@pytest.mark.parametrize("style", ALL, ids=names)
def test_a_claim_is_said_or_told(device: Device, style: Style) -> None:
    """Every level is among those of the offer, or among what could not be said: never neither."""
    levels = replace(device, claims=WIDE).levels
    offer = make_offer(levels, style)
    told = {line.partition(":")[0] for line in offer.untold}
    for name, claimed in levels.items():
        for level in claimed:
            assert (level in offer.levels[name]) != (f"{name}={level}" in told), (name, level)


@pytest.mark.parametrize("style", ALL, ids=names)
def test_what_is_told_stands_in_the_file_too(device: Device, style: Style) -> None:
    pasted = paste(replace(device, claims=WIDE), style)
    first = next(iter(pasted.files.values()))
    for line in pasted.untold:
        assert f"NOT in here: {line}" in first


@pytest.mark.parametrize("style", ALL, ids=names)
def test_the_offer_combines_what_can_stand_together(device: Device, style: Style) -> None:
    """No transform that the constraints exclude, and every one that they allow."""
    offer = make_offer(replace(device, claims=WIDE).levels, style)
    plain = {factor.name: factor.plain for factor in FACTORS}
    for cipher, mac in offer.transforms:
        row = plain | {"esp_cipher": cipher, "esp_integrity": mac}
        assert first_exclusion(row, CONSTRAINTS) is None
    if style.data.transforms is None:
        used = {cipher for cipher, _ in offer.transforms}
        assert used == set(offer.levels["esp_cipher"]) - {"none"}


def test_more_transforms_than_a_device_takes_are_told(device: Device) -> None:
    """A crypto map of IOS has six transform sets; the seventh is told, not dropped."""
    claims = device.claims | {
        "esp_cipher": ("aes128", "aes192", "aes256", "3des"),
        "esp_integrity": ("sha1", "sha256"),
    }
    offer = make_offer(replace(device, claims=claims).levels, find_style("cisco-ios"))
    assert len(offer.transforms) == 6
    assert offer.untold[-2:] == (
        "3des with sha1: one connection takes 6 transforms",
        "3des with sha256: one connection takes 6 transforms",
    )


WITH_ESN = "aes128-sha1-esn, aes128-sha256-esn, aes256-sha1-esn, aes256-sha256-esn"
WORDS = [
    # style, factor=level claimed alone, lines that its file must have
    ("cisco-ios", "cipher=aes256", [" encryption aes 256"]),
    ("cisco-ios", "hash=sha1", [" hash sha"]),
    ("cisco-ios", "group=ecp256", [" group 19"]),
    ("cisco-ios", "pfs=modp2048", [" set pfs group14"]),
    ("cisco-ios", "protocol=ah", ["crypto ipsec transform-set CONF-tunnel-1 ah-sha-hmac"]),
    ("cisco-ios", "mode=transport",
     [" mode transport", " permit ip host 192.0.2.2 host 192.0.2.1"]),
    ("junos", "cipher=3des",
     ["set security ike proposal conformance-1 encryption-algorithm 3des-cbc"]),
    ("junos", "hash=sha256",
     ["set security ike proposal conformance-1 authentication-algorithm sha-256"]),
    ("junos", "exchange=aggressive", ["set security ike policy conformance mode aggressive"]),
    ("junos", "pfs=modp2048",
     ["set security ipsec policy conformance perfect-forward-secrecy keys group14"]),
    ("junos", "esp_cipher=aes256gcm16",
     ["set security ipsec proposal conformance-1 encryption-algorithm aes-256-gcm"]),
    ("fortios", "exchange=aggressive", ["        set mode aggressive"]),
    ("fortios", "pfs=modp2048", ["        set pfs enable", "        set dhgrp 14"]),
    ("fortios", "mode=transport", ["        set encapsulation transport-mode"]),
    ("libreswan", "exchange=aggressive", ["\taggressive=yes"]),
    ("libreswan", "pfs=ecp256", ["\tpfs=yes"]),
    ("libreswan", "protocol=ah", ["\tphase2=ah", "\tphase2alg=sha1,sha2_256"]),
    ("strongswan", "exchange=aggressive", ["        aggressive = yes"]),
    ("strongswan", "esn=yes",
     [f"                esp_proposals = {WITH_ESN}"]),
    ("strongswan", "protocol=ah", ["                ah_proposals = sha1, sha256"]),
    ("strongswan", "esp_cipher=aes128gcm16", ["                esp_proposals = aes128gcm16"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "claim", "lines"), WORDS, ids=lambda one: str(one)[:40])
def test_a_level_is_said_in_the_devices_own_words(
    device: Device, name: str, claim: str, lines: list[str]
) -> None:
    factor, _, level = claim.partition("=")
    claimed = replace(
        device, claims=device.claims | {factor: (level,), "pfs": ("none",)} | {factor: (level,)}
    )
    text = "\n".join(paste(claimed, find_style(name)).files.values())
    for line in lines:
        assert line in text.splitlines(), text


@pytest.mark.parametrize("style", ALL, ids=names)
def test_places_and_secrets_are_the_devices(device: Device, style: Style) -> None:
    """Its own address and ours, both subnets and the key, seen from the device."""
    text = "\n".join(paste(device, style).files.values())
    assert {"192.0.2.1", "192.0.2.2"} <= set(re.findall(r"192\.0\.2\.\d", text))
    assert "secret-psk" in text
    for end in (device.here, device.device):
        assert str(IPv4Network(end.inner_subnet).network_address) in text


def test_swanctl_conf_is_nested_as_it_must_be(device: Device) -> None:
    """Braces balance, and each child's name is unique in its connection."""
    text = paste(replace(device, claims=WIDE), find_style("strongswan")).files["swanctl.conf"]
    depth, seen = 0, set()
    path: list[str] = []
    for line in (one.strip() for one in text.splitlines() if not one.lstrip().startswith("#")):
        if line.endswith("{"):
            path.append(line.removesuffix("{").strip())
            assert tuple(path) not in seen
            seen.add(tuple(path))
        elif line == "}":
            path.pop()
        depth = max(depth, len(path))
    assert path == []
    assert depth == 4
    assert ("connections", "main-psk", "children", "tunnel-esp-pfs_none") in seen
    assert ("connections", "aggressive-rsa-sig", "children", "transport-ah-pfs_ecp256") in seen


def test_a_style_that_cannot_say_what_is_needed_has_no_file(device: Device) -> None:
    """Only XAUTH is claimed, and Junos has no word for it here: that is told."""
    claimed = replace(device, claims=device.claims | {"auth": ("xauth-init-psk",)})
    pasted = paste(claimed, find_style("junos"))
    assert pasted.files == {}
    assert pasted.untold[-1] == "auth: no level of it can be said, so there is no file"


def test_an_unknown_style_is_answered_with_those_there_are() -> None:
    with pytest.raises(UserError, match="junoss") as caught:
        find_style("junoss")
    assert "junos" in caught.value.hint


def test_only_what_was_tried_says_so() -> None:
    """The lab test loads both; whoever adds to this list must have tried."""
    assert {one.name for one in ALL if one.data.tried} == {"strongswan", "libreswan"}
    for style in ALL:
        untried = not style.data.tried and style.name != GENERIC
        template = (FOLDER / style.name / f"{style.data.files[0]}.jinja2").read_text()
        assert ("not tried on a device" in template) == untried


def test_every_level_that_strongswan_lacks_is_one() -> None:
    data = find_style("strongswan").data
    for name, levels in data.absent.items():
        assert set(levels) <= set(find_factor(name).known)
