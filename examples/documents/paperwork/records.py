"""What documents say, before anybody decides how they look."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from random import Random

__all__ = ["Item", "Record", "make_record"]

_PLACES = ("London", "Porto", "Lyon", "Gdansk", "Turin", "Bergen", "Cork", "Graz", "Leiden", "Malmo")
_STREETS = ("High Street", "Mill Lane", "Station Road", "Park Avenue", "Harbour Row", "Church Hill")
_FIRMS = ("Nordlicht", "Arbour", "Quill & Sons", "Bluegate", "Harrow", "Tessera", "Oakfield", "Meridian")
_ENDS = ("Ltd", "GmbH", "Furniture", "Trading", "Supplies", "Studio", "Works")
_GOODS = (
    "Oak shelf", "Desk lamp", "Reading chair", "Cable drum 25 m", "Paper A4 white", "Wall clock",
    "Steel bracket", "Paint, matt grey", "Door handle left", "Linen curtain", "Tool box", "Floor mat",
    "Glass vase", "Copper pipe", "Ladder 3 m", "Work gloves", "Hinge set", "Window seal",
)  # fmt: skip
_PEOPLE = ("Anna Miller", "Jonas Berg", "Maria Rossi", "Tom Carter", "Ines Duarte", "Piet Jansen")


@dataclass(frozen=True, slots=True)
class Item:
    """A line of an invoice or receipt."""

    description: str
    quantity: int
    unit_price: Decimal

    @property
    def amount(self) -> Decimal:
        return self.quantity * self.unit_price


@dataclass(frozen=True, slots=True)
class Record:
    """One deal, as every kind of document tells a part of it. `tax_rate` is in percent."""

    number: str
    issued: date
    due: date
    seller: str
    seller_place: tuple[str, str]
    buyer: str
    buyer_place: tuple[str, str]
    items: tuple[Item, ...]
    tax_rate: int
    person: str
    phone: str
    agreed: bool

    @property
    def net(self) -> Decimal:
        return sum((item.amount for item in self.items), Decimal(0))

    @property
    def tax(self) -> Decimal:
        return (self.net * self.tax_rate / 100).quantize(Decimal("0.01"))

    @property
    def total(self) -> Decimal:
        return self.net + self.tax


def make_record(seed: int, *, items: int | None = None) -> Record:
    """The same seed gives the same record."""
    random = Random(f"record {seed}")
    issued = date(2025, 1, 1) + timedelta(days=random.randrange(600))

    def place() -> tuple[str, str]:
        return (
            f"{random.randrange(1, 200)} {random.choice(_STREETS)}",
            f"{random.randrange(10000, 99999)} {random.choice(_PLACES)}",
        )

    return Record(
        number=random.choice(("{}", "INV-{}", "A/{}", "2025-{}")).format(random.randrange(10000, 99999)),
        issued=issued,
        due=issued + timedelta(days=random.choice((10, 14, 30))),
        seller=f"{random.choice(_FIRMS)} {random.choice(_ENDS)}",
        seller_place=place(),
        buyer=f"{random.choice(_FIRMS)} {random.choice(_ENDS)}",
        buyer_place=place(),
        items=tuple(
            Item(goods, random.randrange(1, 12), Decimal(random.randrange(199, 48999)) / 100)
            for goods in random.sample(_GOODS, items or random.randrange(2, 9))
        ),
        tax_rate=random.choice((7, 19, 20, 23)),
        person=random.choice(_PEOPLE),
        phone=f"+{random.randrange(30, 50)} {random.randrange(100, 999)} {random.randrange(1000, 9999)}",
        agreed=random.random() < 0.5,
    )
