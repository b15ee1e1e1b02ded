"""What stands in the engine: bridge network, shared volume, two containers of each peer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from docker.errors import APIError, NotFound
from docker.types import IPAMConfig, IPAMPool, Mount

from conformance.errors import UserError
from conformance.lab.images import LAB_LABEL
from conformance.resources import peer_names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from docker import DockerClient
    from docker.models.containers import Container

    from conformance.lab.images import BuiltImage

NETWORK = "ipsec-conformance"
BRIDGE = "ipsecconf0"
SUBNET = "10.77.0.0/24"
GATEWAY = "10.77.0.1"
VOLUME = "ipsec-conformance-run"
RUN_FOLDER = "/run/ipsec-conformance"
LABELS = {LAB_LABEL: "1"}

SIDES = ("a", "b")
"""Side a initiates, side b responds; so a peer can be paired with itself."""
_FIRST_HOST = 10
_LAST_HOST = 253
TRANSLATOR = "ipsec-conformance-nat"
TRANSLATOR_ADDRESS = "10.77.0.254"
"""The lab's NAT, over which a cell's initiator reaches its responder where it shall."""


@dataclass(frozen=True, slots=True)
class Host:
    """One container's place in the address plan."""

    peer: str
    side: str

    def number(self) -> int:
        """Return N of its addresses: 10 and up, in the order of the peers' names and sides.

        Raises:
            UserError: there is no such peer, or there are more than the subnet holds.
        """
        peers = peer_names()
        if self.peer not in peers:
            raise UserError(f"There is no peer {self.peer!r}.", f"Peers: {', '.join(peers)}.")
        number = _FIRST_HOST + len(SIDES) * peers.index(self.peer) + SIDES.index(self.side)
        if number > _LAST_HOST:
            raise UserError("There are more peers than the lab has addresses for.")
        return number


def container_name(peer: str, side: str) -> str:
    """Return the name of a peer's container: ``ipsec-conformance-<peer>-<side>``."""
    return f"ipsec-conformance-{peer}-{side}"


def address(peer: str, side: str) -> str:
    """Return the address IKE and ESP run over: ``10.77.0.N``."""
    return f"10.77.0.{Host(peer, side).number()}"


def inner_address(peer: str, side: str) -> str:
    """Return the address behind the peer, on its ``lo``: ``10.78.N.1``."""
    return f"10.78.{Host(peer, side).number()}.1"


def inner_subnet(peer: str, side: str) -> str:
    """Return the subnet the peer protects: ``10.78.N.0/24``."""
    return f"10.78.{Host(peer, side).number()}.0/24"


def ensure_topology(client: DockerClient) -> None:
    """Have the network and the volume.

    Raises:
        UserError: the subnet is taken by another network of the engine.
    """
    if not client.networks.list(names=[f"^{NETWORK}$"]):
        try:
            client.networks.create(
                NETWORK,
                driver="bridge",
                labels=LABELS,
                options={"com.docker.network.bridge.name": BRIDGE},
                ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=SUBNET, gateway=GATEWAY)]),
            )
        except APIError as error:
            raise UserError(f"The network {SUBNET} was not made: {error.explanation}") from error
    client.volumes.create(VOLUME, labels=LABELS)


def ensure_container(client: DockerClient, image: BuiltImage, side: str) -> tuple[Container, bool]:
    """Return a peer's running container of this image, and whether it had to be started."""
    name = container_name(image.peer, side)
    try:
        found = client.containers.get(name)
    except NotFound:
        return _start(client, image, side), True
    if found.status == "running" and found.attrs["Image"] == image.id:
        return found, False
    found.remove(force=True)
    return _start(client, image, side), True


def ensure_translator(client: DockerClient, image: BuiltImage) -> Container:
    """Return the running NAT, made of the reference's image."""
    try:
        found = client.containers.get(TRANSLATOR)
    except NotFound:
        return _start_translator(client, image)
    if found.status == "running" and found.attrs["Image"] == image.id:
        return found
    found.remove(force=True)
    return _start_translator(client, image)


def _start_translator(client: DockerClient, image: BuiltImage) -> Container:
    environment = {"PEER_ADDRESS": TRANSLATOR_ADDRESS}
    return _run(
        client, image, TRANSLATOR, TRANSLATOR_ADDRESS, environment, entrypoint=["translate.sh"]
    )


def shared_volume() -> Mount:
    """Return the mount of control sockets and logs."""
    return Mount(RUN_FOLDER, VOLUME, type="volume")


def _start(client: DockerClient, image: BuiltImage, side: str) -> Container:
    name, outer = container_name(image.peer, side), address(image.peer, side)
    environment = {
        "PEER_ADDRESS": outer,
        "PEER_INNER_ADDRESS": inner_address(image.peer, side),
        "PEER_NAME": name,
    }
    return _run(client, image, name, outer, environment)


def _run(
    client: DockerClient,
    image: BuiltImage,
    name: str,
    outer: str,
    environment: dict[str, str],
    *,
    entrypoint: list[str] | None = None,
) -> Container:
    endpoint = client.api.create_endpoint_config(ipv4_address=outer)
    endpoints: Any = {NETWORK: endpoint}
    created = client.api.create_container(
        image.id,
        name=name,
        entrypoint=entrypoint,
        hostname=name.removeprefix(f"{NETWORK}-").replace(".", "-"),
        labels=LABELS,
        environment=environment,
        host_config=client.api.create_host_config(
            privileged=True, network_mode=NETWORK, mounts=[shared_volume()], init=False
        ),
        networking_config=client.api.create_networking_config(endpoints),
    )
    client.api.start(created["Id"])
    return client.containers.get(created["Id"])


def died(containers: Iterable[Container]) -> dict[str, str]:
    """Return, by name, the last log lines of the containers that are not running any more."""
    last: dict[str, str] = {}
    for container in containers:
        container.reload()
        if container.status != "running":
            last[str(container.name)] = container.logs(tail=15).decode(errors="replace").strip()
    return last


def remove_all(client: DockerClient) -> None:
    """Remove every container, network and volume that carries the lab's label; keep the images."""
    wanted: dict[str, Any] = {"label": f"{LAB_LABEL}=1"}
    for container in client.containers.list(all=True, filters=wanted, ignore_removed=True):
        container.remove(force=True, v=True)
    for network in client.networks.list(filters=wanted):
        network.remove()
    for volume in client.volumes.list(filters=wanted):
        volume.remove(force=True)
