"""Peer manifests: those that stand, what they claim, and every way one can be broken."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from conformance.errors import UserError
from conformance.matrix.factors import all_levels, find_factor, plain_combination
from conformance.matrix.manifest import find_manifest, load_manifest, load_manifests
from conformance.resources import peer_names, peers_root

if TYPE_CHECKING:
    from conformance.matrix.constraints import Role

PEERS = Path(__file__).parents[2] / "peers"
IMAGES = [PEERS / name for name in peer_names()]
FINDINGS = (PEERS.parent / "docs" / "findings.md").read_text("utf-8")
GOOD = (PEERS / "libreswan-4.10" / "peer.toml").read_text("utf-8")


def write(root: Path, text: str, name: str = "libreswan-4.10") -> Path:
    folder = root / name
    folder.mkdir()
    (folder / "peer.toml").write_text(text, "utf-8")
    return folder


def test_the_peers_come_with_the_reference_first() -> None:
    names = list(load_manifests(PEERS))
    assert names == ["reference", *sorted(names[1:])]
    assert set(names) >= {
        f"{kind}-{version}"
        for kind, versions in (
            ("libreswan", ("4.3", "4.10", "5.2")),
            ("strongswan", ("5.9.1", "5.9.8", "6.0.1")),
            ("vpnc", ("0.5.3",)),
        )
        for version in versions
    }


@pytest.mark.parametrize(
    ("peer", "levels", "expected"),
    [
        ("reference", {}, []),
        ("reference", {"group": "modp1024", "pfs": "ecp256"}, []),
        ("strongswan-5.9.8", {"group": "ecp256", "pfs": "modp1024", "cipher": "3des"}, []),
        ("libreswan-4.10", {"group": "modp1024"}, ["libreswan-4.10: group=modp1024"]),
        ("libreswan-4.10", {"pfs": "modp1024"}, ["libreswan-4.10: pfs=modp1024"]),
        ("libreswan-4.10", {"pfs": "ecp256", "group": "ecp256"}, []),
        ("libreswan-4.10", {"pfs": "ecp256"}, ["libreswan-4.10: pfs=ecp256 with group=modp2048"]),
    ],
)
def test_what_a_combination_asks_beyond_the_claims(
    peer: str, levels: dict[str, str], expected: list[str]
) -> None:
    combination = plain_combination(all_levels()) | levels
    assert load_manifests(PEERS)[peer].undeclared(combination, "responder") == expected


def test_a_role_that_is_not_claimed_is_undeclared(tmp_path: Path) -> None:
    text = GOOD.replace('roles = ["initiator", "responder"]', 'roles = ["responder"]')
    manifest = load_manifest(write(tmp_path, text))
    plain = plain_combination(all_levels())
    assert manifest.undeclared(plain, "initiator") == ["libreswan-4.10: role=initiator"]
    assert manifest.undeclared(plain, "responder") == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "libreswan-4.10"', 'name = "other"', "name: 'other' is not the folder's name"),
        ('kind = "libreswan"', 'kind = "racoon"', "kind: Invalid enum value 'racoon'"),
        ('version = "4.10"\n', "", "missing required field `version`"),
        ('version = "4.10"\n', "version = 4.10\n", "version: Expected `str`, got `float`"),
        ("[claims]", 'colour = "red"\n[claims]', "software: Object contains unknown field"),
        ('mode = ["tunnel", "transport"]\n', "", "claims.mode: no level is claimed"),
        ('"tunnel", "transport"', '"tunel"', "claims.mode: unknown level of mode 'tunel'"),
        ('mode = ["tunnel"', 'mood = ["x"]\nmode = ["tunnel"', "claims: unknown factor 'mood'"),
        ('pfs = ["ecp256"], ', 'pfs = ["x"], ', "exceptions[0].when.pfs: unknown level of pfs 'x'"),
        (
            'esp_cipher = [\n    "aes128ccm8"',
            'esp_cipher = [\n    "x"',
            "deviations[1].when.esp_cipher: ",
        ),
        ("[claims]", "[claims", "is not TOML"),
    ],
)
def test_a_broken_manifest_is_told_by_file_and_key(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert old in GOOD
    folder = write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(UserError) as caught:
        load_manifest(folder)
    assert str(folder / "peer.toml") in caught.value.message
    assert message in caught.value.message
    assert caught.value.hint


def test_a_missing_manifest_and_an_empty_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"peer\.toml is missing"):
        load_manifest(tmp_path)
    with pytest.raises(UserError, match="no peer stands under"):
        load_manifests(tmp_path)


def test_an_unknown_peer_is_told_with_the_nearest() -> None:
    with pytest.raises(UserError) as caught:
        find_manifest(load_manifests(PEERS), "strongswan-5.9.9")
    assert caught.value.message == "unknown peer 'strongswan-5.9.9'"
    assert "Did you mean 'strongswan-5.9.8'?" in caught.value.hint
    assert "reference" in caught.value.hint


def test_an_exception_may_name_what_it_does_not_speak_of() -> None:
    """``!ecp256`` is every group but ecp256, also those that are added one day."""
    (exception,) = [
        exception
        for exception in load_manifests(peers_root())["libreswan-4.10"].exceptions
        if exception.when.get("pfs") == ("ecp256",)
    ]
    groups = find_factor("group").known
    assert exception.when["group"] == tuple(group for group in groups if group != "ecp256")


@pytest.mark.parametrize(
    ("levels", "role", "expected"),
    [
        ({"protocol": "esp+ipcomp"}, "responder", "Beside the chosen proposal"),
        ({"protocol": "esp+ipcomp"}, "initiator", None),
        ({"protocol": "ah", "esp_cipher": "none"}, "responder", None),
    ],
)
def test_a_known_fault_is_found_by_role_and_levels(
    levels: dict[str, str], role: Role, expected: str | None
) -> None:
    """It takes back no claim: the cell is no less declared for it."""
    manifest = load_manifests(PEERS)["strongswan-5.9.8"]
    combination = plain_combination(all_levels()) | levels
    found = manifest.deviation(combination, role)
    assert (found is None) == (expected is None)
    assert found is None or found.reason.startswith(str(expected))
    assert not manifest.undeclared(combination, role)


@pytest.mark.parametrize("folder", IMAGES, ids=lambda folder: folder.name)
def test_the_image_is_the_one_that_the_dockerfile_begins_with(folder: Path) -> None:
    first = re.search(r"^FROM (\S+)", (folder / "Dockerfile").read_text(), re.MULTILINE)
    assert first
    assert load_manifest(folder).image == first[1]


@pytest.mark.parametrize("folder", IMAGES, ids=lambda folder: folder.name)
def test_what_refers_to_a_finding_names_one(folder: Path) -> None:
    """Exceptions and deviations say where they come from; findings of ours must be there."""
    manifest = load_manifest(folder)
    for entry in (*manifest.exceptions, *manifest.deviations):
        file, colon, title = entry.source.partition(": ")
        if colon and file == "docs/findings.md":
            assert f"\n## {title}\n" in FINDINGS, title
