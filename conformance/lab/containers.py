"""What stands in the engine: bridge network, shared volume, two containers of each peer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from docker.errors import APIError, NotFound
from docker.types import IPAMConfig, IPAMPool, Mount

from conformance.errors import UserError
from conformance.lab import addresses
from conformance.lab.images import LAB_LABEL
from conformance.resources import peer_names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from docker import DockerClient
    from docker.models.containers import Container
    from docker.models.networks import Network

    from conformance.lab.images import BuiltImage

NETWORK = "ipsec-conformance"
SUBNETS = {addresses.SUBNET, addresses.SUBNET_6}
BRIDGE = "ipsecconf0"
VOLUME = "ipsec-conformance-run"
RUN_FOLDER = "/run/ipsec-conformance"
LABELS = {LAB_LABEL: "1"}
TRANSLATOR = "ipsec-conformance-nat"


def container_name(peer: str, side: str) -> str:
    """Return the name of a peer's container: ``ipsec-conformance-<peer>-<side>``."""
    return f"ipsec-conformance-{peer}-{side}"


def ensure_topology(client: DockerClient) -> None:
    """Have the network and the volume; what stands of another address plan goes first.

    Raises:
        UserError: the subnet is taken by another network of the engine.
    """
    standing = client.networks.list(names=[f"^{NETWORK}$"])
    if any(_subnets(network) != SUBNETS for network in standing):
        remove_all(client)
        standing = []
    if not standing:
        _create_network(client)
    client.volumes.create(VOLUME, labels=LABELS)


def _subnets(network: Network) -> set[str]:
    return {pool["Subnet"] for pool in network.attrs["IPAM"]["Config"]}


def _create_network(client: DockerClient) -> None:
    try:
        client.networks.create(
            NETWORK,
            driver="bridge",
            labels=LABELS,
            options={"com.docker.network.bridge.name": BRIDGE},
            enable_ipv6=True,
            ipam=IPAMConfig(
                pool_configs=[
                    IPAMPool(subnet=addresses.SUBNET, gateway=addresses.GATEWAY),
                    IPAMPool(subnet=addresses.SUBNET_6, gateway=addresses.GATEWAY_6),
                ]
            ),
        )
    except APIError as error:
        what = f"The network {addresses.SUBNET} was not made"
        raise UserError(f"{what}: {error.explanation}") from error


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


def remove_misplaced(client: DockerClient) -> None:
    """Remove the peers' containers that have another number than the plan gives them now.

    A peer that came or went moves those behind it, and two containers may not want one address.
    """
    wanted = {
        container_name(peer, side): str(addresses.number(peer, side))
        for peer in peer_names()
        for side in addresses.SIDES
    }
    labelled: Any = {"label": f"{LAB_LABEL}=1"}
    for found in client.containers.list(all=True, filters=labelled, ignore_removed=True):
        environment = dict(one.split("=", 1) for one in found.attrs["Config"]["Env"])
        number = environment.get("PEER_NUMBER")
        if number is not None and wanted.get(str(found.name)) != number:
            found.remove(force=True)


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
    own = addresses.TRANSLATOR
    environment = {"PEER_ADDRESS": own}
    return _run(client, image, TRANSLATOR, own, environment, entrypoint=["translate.sh"])


def shared_volume() -> Mount:
    """Return the mount of control sockets and logs."""
    return Mount(RUN_FOLDER, VOLUME, type="volume")


def _start(client: DockerClient, image: BuiltImage, side: str) -> Container:
    name, number = container_name(image.peer, side), addresses.number(image.peer, side)
    environment = {
        "PEER_NAME": name,
        "PEER_NUMBER": str(number),
        "PEER_SLOTS": str(addresses.SLOTS[-1]),
    }
    return _run(client, image, name, addresses.own_address(number), environment)


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
