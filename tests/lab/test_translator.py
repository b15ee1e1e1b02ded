"""The lab's NAT: one container of the reference's image, kept while it is the right one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from docker.errors import NotFound

from conformance.lab import addresses, containers
from conformance.lab.containers import (
    LABELS,
    TRANSLATOR,
    ensure_translator,
)
from conformance.resources import peers_root

if TYPE_CHECKING:
    from docker import DockerClient

    from conformance.lab.images import BuiltImage

IMAGE = cast("BuiltImage", SimpleNamespace(id="sha256:new", peer="reference"))


class Engine:
    """A Docker client that holds at most the one container, and tells what was done to it."""

    def __init__(self, status: str | None = None, image: str = "sha256:new") -> None:
        self.done: list[str] = []
        self.created: dict[str, Any] = {}
        self._found = status and SimpleNamespace(
            status=status, attrs={"Image": image}, remove=self._remove
        )
        self.containers = SimpleNamespace(get=self._get)
        self.api = SimpleNamespace(
            create_endpoint_config=lambda **given: given,
            create_host_config=lambda **given: given,
            create_networking_config=lambda endpoints: endpoints,
            create_container=self._create,
            start=lambda name: self.done.append(f"start {name}"),
        )

    def _get(self, name: str) -> Any:
        if self._found:
            return self._found
        if self.done:
            return SimpleNamespace(status="running", name=name)
        raise NotFound(name)

    def _remove(self, *, force: bool) -> None:
        assert force
        self._found = None
        self.done.append("remove")

    def _create(self, image: str, **given: Any) -> dict[str, str]:
        self.created = {"image": image} | given
        self.done.append("create")
        return {"Id": "made"}


@pytest.mark.parametrize(
    ("engine", "done"),
    [
        (Engine(), ["create", "start made"]),
        (Engine("running"), []),
        (Engine("exited"), ["remove", "create", "start made"]),
        (Engine("running", "sha256:old"), ["remove", "create", "start made"]),
    ],
    ids=["none", "the-right-one", "it-has-ended", "of-another-image"],
)
def test_it_is_started_where_it_does_not_run(engine: Engine, done: list[str]) -> None:
    assert ensure_translator(cast("DockerClient", engine), IMAGE).status == "running"
    assert engine.done == done


def test_it_is_the_references_image_with_another_entrypoint() -> None:
    """Its address is told to the script, which stands beside the image's own."""
    engine = Engine()
    ensure_translator(cast("DockerClient", engine), IMAGE)
    made = engine.created
    assert (made["image"], made["name"], made["labels"]) == ("sha256:new", TRANSLATOR, LABELS)
    assert made["environment"] == {"PEER_ADDRESS": addresses.TRANSLATOR}
    assert made["host_config"]["privileged"]
    endpoint = made["networking_config"][containers.NETWORK]
    assert endpoint == {"ipv4_address": addresses.TRANSLATOR}
    (script,) = made["entrypoint"]
    folder = peers_root() / "reference"
    assert "$PEER_ADDRESS" in (folder / script).read_text()
    assert script in (folder / "Dockerfile").read_text()
