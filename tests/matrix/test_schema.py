"""peers/peer.schema.json: fresh, and it tells good manifests from broken ones, as editors will."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from conformance.matrix.schema import FILE_NAME, encoded, peer_schema
from conformance.resources import peers_root

if TYPE_CHECKING:
    from pathlib import Path

MANIFESTS = sorted(peers_root().glob("*/peer.toml"))
LIBRESWAN = (peers_root() / "libreswan-4.10" / "peer.toml").read_text("utf-8")
KERNEL = (peers_root() / "linux-6.1" / "peer.toml").read_text("utf-8")
VALIDATOR = Draft202012Validator(peer_schema())


def is_valid(text: str) -> bool:
    """Whether the schema takes a manifest."""
    content: dict[str, Any] = tomllib.loads(text)
    return VALIDATOR.is_valid(content)


def test_the_schema_is_fresh() -> None:
    """`make schema` would write the very file that is there."""
    assert (peers_root() / FILE_NAME).read_bytes() == encoded()


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(peer_schema())


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.parent.name)
def test_every_manifest_is_taken(path: Path) -> None:
    """Each begins with the comment by which editors (taplo) find the schema."""
    text = path.read_text("utf-8")
    VALIDATOR.validate(tomllib.loads(text))
    assert text.startswith(f"#:schema ../{FILE_NAME}\n")


@pytest.mark.parametrize(
    ("good", "old", "new"),
    [
        pytest.param(LIBRESWAN, 'version = "4.10"\n', "", id="no version"),
        pytest.param(LIBRESWAN, 'version = "4.10"\n', "version = 4.10\n", id="version no text"),
        pytest.param(LIBRESWAN, 'kind = "libreswan"', 'kind = "racoon"', id="unknown kind"),
        pytest.param(LIBRESWAN, 'kind = "libreswan"', 'kind = "linux"', id="another's kind"),
        pytest.param(LIBRESWAN, '"initiator", "resp', '"starter", "resp', id="unknown role"),
        pytest.param(LIBRESWAN, "[software]", "[softwear]", id="unknown table"),
        pytest.param(LIBRESWAN, 'mode = ["tunnel", "transport"]\n', "", id="factor unclaimed"),
        pytest.param(LIBRESWAN, '["tunnel", "transport"]', "[]", id="no level claimed"),
        pytest.param(LIBRESWAN, '"tunnel", "transport"', '"tunel"', id="unknown level"),
        pytest.param(LIBRESWAN, '"tunnel", "transport"', '"tunnel", "tunnel"', id="level twice"),
        pytest.param(LIBRESWAN, "mode = [", 'mood = ["x"]\nmode = [', id="unknown factor"),
        pytest.param(LIBRESWAN, '"!ecp256"', '"!x"', id="not an unknown level"),
        pytest.param(LIBRESWAN, '"!ecp256"', '"!ecp256", "modp768"', id="with and without !"),
        pytest.param(LIBRESWAN, "{ pfs = ", "{ pffs = ", id="exception for an unknown factor"),
        pytest.param(LIBRESWAN, "[[settings]]\nname", "[[settings]]\nnam", id="setting's key"),
        pytest.param(LIBRESWAN, "[[exceptions]]", "[[deviations]]\n[[exceptions]]", id="empty"),
        pytest.param(KERNEL, "[takes]", "[takes]\nmode = 1\n[more]", id="kernel: unknown table"),
        pytest.param(KERNEL, 'words = "ENOSYS', 'word = "ENOSYS', id="kernel: unknown key"),
        pytest.param(KERNEL, 'kind = "linux"', 'kind = "reference"', id="kernel: another's kind"),
    ],
)
def test_a_broken_manifest_is_refused(good: str, old: str, new: str) -> None:
    assert is_valid(good)
    assert old in good
    assert not is_valid(good.replace(old, new, 1))
