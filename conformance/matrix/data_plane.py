"""The plan of the data plane: every transform in every mode and family, both ways, exhaustively.

Unlike the matrix of negotiations, nothing is left out here: a cell takes milliseconds.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from conformance.errors import UserError
from conformance.matrix.unknown import unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

KERNEL, REFERENCE = "linux", "reference"
"""The two ends; which kernel it is, the run finds out."""
DIRECTIONS = (f"{REFERENCE}-to-{KERNEL}", f"{KERNEL}-to-{REFERENCE}")
"""Who encrypts, and who decrypts."""
TUNNELS = ("ipv4", "ipv6", "4in6", "6in4")
"""Families of a tunnel: of both headers, or of the inner one in the outer one."""
HOSTS = ("ipv4", "ipv6")
"""Families of transport mode."""
SHAPES = (*(("tunnel", family) for family in TUNNELS), *(("transport", family) for family in HOSTS))
"""Every mode with its families."""
USUAL_WINDOW, WINDOWS = "64", ("32", "64", "128", "1024", "4096")
"""Sizes of the replay window, in packets."""
NO_WINDOW = "none"
"""Where nothing proves a sequence number."""
EXCHANGE, EMPTY, WINDOW, ALIGNMENT = "exchange", "empty", "window", "default-alignment"
"""The cases in which all is well: packets of every size; one without any payload in transport mode,
where nothing is then behind the IP header that ESP could protect; the window's two edges; AH as the
kernel aligns it unless it is told to do as RFC 4302 2.6 has it."""

_FLIPS = ("spi", "sequence", "payload", "icv")
_ESP_FLIPS = (*_FLIPS, "padding", "pad-length", "next-header")
_AH_FLIPS = (*_FLIPS, "next-header", "length", "source")
_SEALED = ("sealed-padding", "sealed-pad-length", "sealed-next-header", "dummy")
_PATHS = ("replay", "stale", "selector")
_HAS_IV = ("flip-iv",)
NEGATIVE_ESP = (*(f"flip-{region}" for region in _ESP_FLIPS), *_SEALED, *_PATHS)
"""What must be dropped of ESP: one region with a bit flipped, wrong behind a good ICV, or late."""
NEGATIVE_AH = (*(f"flip-{region}" for region in _AH_FLIPS), *_PATHS)
"""The same of AH."""


class Algorithms(NamedTuple):
    """The levels that are there to plan with."""

    ciphers: tuple[str, ...]
    """Of ESP, those that want an integrity algorithm beside them."""
    combined: tuple[str, ...]
    """Of ESP, those with an ICV of their own."""
    integrities: tuple[str, ...]
    """Of ESP and AH."""
    ah_integrities: tuple[str, ...]
    """Of AH alone."""


class DataCell(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One transform one way: the unit that runs."""

    direction: str
    protocol: str
    """``esp``, ``ah``, ``ipcomp``, ``esp+ipcomp``, ``ah+esp``; the outermost first."""
    cipher: str
    integrity: str
    mode: str
    family: str
    esn: str
    window: str
    udp: str = "no"
    """Whether ESP travels in UDP (RFC 3948)."""
    case: str = EXCHANGE
    """What is done: ``exchange``, ``window``, or what must be dropped."""

    @property
    def id(self) -> str:
        """Readable, safe as a file's name, and the same in every run."""
        extra = [f"window-{self.window}"] if self.window != USUAL_WINDOW else []
        extra += ["esn"] if self.esn == "yes" else []
        extra += ["udp"] if self.udp == "yes" else []
        extra += [self.case] if self.case != EXCHANGE else []
        shape = f"{self.mode}-{self.family}"
        return ".".join((self.direction, self.transform.replace(" ", "-"), shape, *extra))

    @property
    def transform(self) -> str:
        """Protocol and algorithms, as a row of the page has them."""
        algorithms = (name for name in (self.cipher, self.integrity) if name != "none")
        return " ".join((self.protocol, *algorithms))

    @property
    def is_negative(self) -> bool:
        """Whether a packet must be dropped in it."""
        return self.case not in (EXCHANGE, EMPTY, WINDOW, ALIGNMENT)


class DataPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a run sets out to do."""

    seed: int
    """What the seed of each cell derives from."""
    restrictions: dict[str, tuple[str, ...]]
    """The levels to which factors were kept."""
    deviation: str = "none"
    """The fault that the reference has on purpose."""
    cells: tuple[DataCell, ...]


FACTORS = DataCell.__struct_fields__
"""The names that ``--factor`` takes."""


class _Part(NamedTuple):
    """Cells that are the product of what stands in it."""

    transforms: Iterable[tuple[str, str, str]]
    """Protocol, cipher, integrity."""
    shapes: Sequence[tuple[str, str]] = SHAPES
    esn: tuple[str, ...] = ("no", "yes")
    windows: tuple[str, ...] = (USUAL_WINDOW,)
    udp: str = "no"
    cases: tuple[str, ...] = (EXCHANGE,)

    def cells(self, combined: Sequence[str]) -> Iterator[DataCell]:
        """Every one, in the order of the page; 64-bit numbers only where an ICV proves them."""
        for transform, shape, esn, window, case, direction in product(
            self.transforms, self.shapes, self.esn, self.windows, self.cases, DIRECTIONS
        ):
            protocol, cipher, integrity = transform
            mode, family = shape
            proven = integrity != "none" or cipher in combined
            if proven or esn == "no":
                yield DataCell(
                    direction=direction,
                    protocol=protocol,
                    cipher=cipher,
                    integrity=integrity,
                    mode=mode,
                    family=family,
                    esn=esn,
                    window=window if proven else NO_WINDOW,
                    udp=self.udp,
                    case=case,
                )


_OUTER_4 = tuple(shape for shape in SHAPES if shape[1] in ("ipv4", "6in4"))
_TRANSPORT = tuple(("transport", family) for family in HOSTS)
_PLAIN_SHAPES = tuple((mode, family) for mode in ("tunnel", "transport") for family in HOSTS)
_WINDOWED = (
    ("esp", "aes128", "sha256"),
    ("esp", "null", "sha1"),
    ("esp", "aes128ctr", "sha256"),
    ("esp", "aes128gcm16", "none"),
    ("ah", "none", "sha256"),
)
_BUNDLES = (
    *product(("esp+ipcomp", "ah+esp", "ah+esp+ipcomp"), ("aes128", "aes256ctr"), ("sha256",)),
    ("esp+ipcomp", "aes128gcm16", "none"),
    ("ah+ipcomp", "none", "sha256"),
)
_ATTACKED = (
    ("esp", "aes128", "sha256"),
    ("esp", "aes128ctr", "sha1"),
    ("esp", "null", "sha256"),
    ("esp", "aes128gcm16", "none"),
    ("esp", "aes128ccm16", "none"),
    ("esp", "aes128gmac", "none"),
)
_ATTACKED_AH = (("ah", "none", "sha256"), ("ah", "none", "aesxcbc"))
_WITHOUT_IV = ("null",)


def _parts(known: Algorithms) -> Iterator[_Part]:
    """The whole plan, part by part."""
    esp = tuple(_esp_transforms(known))
    yield _Part(esp)
    yield _Part([("ah", "none", name) for name in (*known.integrities, *known.ah_integrities)])
    ah_alone = [("ah", "none", name) for name in known.integrities]
    yield _Part(ah_alone, shapes=_OUTER_4, esn=("no",), cases=(ALIGNMENT,))
    yield _Part(esp, shapes=_OUTER_4, udp="yes")
    yield _Part(esp, shapes=_TRANSPORT, cases=(EMPTY,))
    yield _Part(_BUNDLES)
    yield _Part([("ipcomp", "none", "none")])
    yield _Part(_WINDOWED, shapes=_PLAIN_SHAPES, windows=WINDOWS, cases=(WINDOW,))
    for transform in _ATTACKED:
        cases = NEGATIVE_ESP if transform[1] in _WITHOUT_IV else (*_HAS_IV, *NEGATIVE_ESP)
        yield _Part([transform], shapes=_PLAIN_SHAPES, cases=cases)
    yield _Part(_ATTACKED_AH, shapes=_PLAIN_SHAPES, cases=NEGATIVE_AH)


def _esp_transforms(known: Algorithms) -> Iterator[tuple[str, str, str]]:
    """Every cipher, every integrity algorithm with AES and with NULL, AES alone."""
    for cipher in known.ciphers:
        yield "esp", cipher, "sha256"
    for cipher in ("aes128", "null"):
        for integrity in known.integrities:
            if integrity != "sha256":
                yield "esp", cipher, integrity
    yield "esp", "aes128", "none"
    for cipher in known.combined:
        yield "esp", cipher, "none"


def make_data_plan(
    known: Algorithms,
    *,
    restrictions: Mapping[str, tuple[str, ...]] | None = None,
    seed: int = 1,
    limit: int | None = None,
    deviation: str = "none",
) -> DataPlan:
    """The plan, kept to some levels of some factors; UserError where nothing is left of it."""
    kept = dict(restrictions or {})
    cells = tuple(cell for cell in every_cell(known) if _is_kept(cell, kept))
    if not cells:
        levels = " ".join(f"{name}={','.join(values)}" for name, values in kept.items())
        raise UserError(f"no cell has {levels} at once", "Keep fewer factors, or other levels.")
    return DataPlan(seed=seed, restrictions=kept, deviation=deviation, cells=cells[:limit])


def every_cell(known: Algorithms) -> Iterator[DataCell]:
    """All there is to run."""
    for part in _parts(known):
        yield from part.cells(known.combined)


def _is_kept(cell: DataCell, restrictions: Mapping[str, tuple[str, ...]]) -> bool:
    return all(getattr(cell, name) in levels for name, levels in restrictions.items())


def parse_data_restrictions(texts: Sequence[str], known: Algorithms) -> dict[str, tuple[str, ...]]:
    """Read ``cipher=aes128,3des`` texts as given to ``--factor``; UserError for what is unknown."""
    cells = list(every_cell(known)) if texts else []
    levels = {name: tuple(dict.fromkeys(getattr(cell, name) for cell in cells)) for name in FACTORS}
    return dict(_parse_restriction(text, levels) for text in texts)


def _parse_restriction(
    text: str, levels: Mapping[str, tuple[str, ...]]
) -> tuple[str, tuple[str, ...]]:
    name, equals, wanted = text.partition("=")
    given = tuple(level.strip() for level in wanted.split(",") if level.strip())
    if not equals or not given:
        raise UserError(
            f"--factor {text!r} is not of the form FACTOR=LEVEL[,LEVEL...]",
            f"For example --factor cipher=aes128,3des. Factors: {', '.join(levels)}.",
        )
    if name not in levels:
        raise unknown("factor", name, levels, "--factor")
    for level in given:
        if level not in levels[name]:
            raise unknown(f"level of {name}", level, levels[name], "--factor")
    return name, given


def repeat_command(cell: DataCell, seed: int) -> str:
    """The command line that runs exactly this cell again."""
    factors = (f"--factor {name}={getattr(cell, name)}" for name in FACTORS)
    return f"ipsec-conformance data-plane --seed {seed} {' '.join(factors)}"
