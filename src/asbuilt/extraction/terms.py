"""What documents call the same thing: a dictionary of business terms.

Concepts follow the semantic model of European invoices (EN 16931-1: invoice number BT-1, issue date
BT-2, due date BT-9, totals BT-109 to BT-115, lines BG-25 with BT-129, BT-131, BT-146, BT-153) and what
contracts, receipts and forms have beside them; the phrases are ordinary commercial English. A schema
that names one phrase of a concept is understood to accept the others, less readily than its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from asbuilt.extraction.labels import label_words
from asbuilt.fields import Field, FieldKind

__all__ = ["OTHER_WORDS", "also_called"]

OTHER_WORDS = 0.85
"""What a phrase counts that the schema does not state itself."""


@dataclass(frozen=True, slots=True)
class _Concept:
    kinds: tuple[FieldKind, ...]
    phrases: tuple[str, ...]
    in_list: bool = False


_NUMBER: tuple[FieldKind, ...] = ("number", "integer")
_CODE: tuple[FieldKind, ...] = ("string", "integer")

_CONCEPTS = (
    # ---- heads of documents
    _Concept(
        _CODE,
        ("invoice number", "tax invoice number", "invoice reference", "invoice code", "document number"),
    ),
    _Concept(
        _CODE,
        ("receipt number", "transaction number", "ticket number", "slip number", "document number"),
    ),
    _Concept(_CODE, ("agreement number", "contract number", "contract reference", "agreement reference")),
    _Concept(_CODE, ("member number", "membership number", "member")),
    _Concept(_CODE, ("customer number", "client number", "customer account", "account number")),
    _Concept(
        _CODE,
        ("order number", "purchase order", "purchase order number", "po number", "order reference", "po"),
    ),
    _Concept(
        ("date",),
        ("date", "invoice date", "issue date", "date issued", "date of issue", "issued", "issued on",
         "issuing date", "dated", "date of invoice", "billing date", "billed on", "invoiced", "invoiced on",
         "document date", "invoice issue date", "created", "created on", "date created", "receipt date",
         "transaction date", "purchase date", "date of purchase", "sale date", "date of sale"),
    ),
    _Concept(
        ("date",),
        ("due date", "due", "due by", "due on", "date due", "payment due", "payment due date",
         "payment due by", "payment due on", "payable by", "payable on", "payable before", "payable until",
         "pay by", "please pay by", "pay before", "pay until", "to be paid by", "to be paid before",
         "payment deadline", "payment by", "payment before", "deadline", "invoice due", "invoice due date",
         "invoice due on", "due for payment"),
    ),
    _Concept(
        ("date",),
        ("effective date", "effective from", "effective", "effective as of", "commencement date",
         "date of commencement", "commences on", "start date", "starts on", "valid from", "in force from",
         "begins on"),
    ),
    _Concept(
        ("date",),
        ("expiry date", "expiration date", "date of expiry", "expires", "expires on", "end date", "ends on",
         "valid until", "valid to", "valid through", "termination date", "in force until"),
    ),
    _Concept(
        ("date",),
        ("delivery date", "date of delivery", "delivered on", "date delivered", "date of supply",
         "supply date", "service date", "date of service", "shipping date", "shipped on"),
    ),
    _Concept(("date",), ("date of birth", "birth date", "birthdate", "birthday", "dob", "born", "born on")),
    # ---- sums of documents
    _Concept(
        _NUMBER,
        ("subtotal", "net", "net amount", "net total", "total net", "net sum", "net value",
         "total net amount", "net total amount", "subtotal net", "subtotal excluding tax",
         "total excluding tax", "amount excluding tax", "net amount excluding tax", "excluding tax",
         "total amount excluding tax",
         "total before tax", "subtotal before tax", "amount before tax", "tax exclusive amount",
         "taxable amount", "taxable total", "total taxable amount", "untaxed amount"),
    ),
    _Concept(
        _NUMBER,
        ("tax", "tax amount", "amount of tax", "total tax", "tax total", "total tax amount", "sales tax",
         "value added tax", "value added tax amount", "goods and services tax", "taxes", "total taxes",
         "tax payable", "tax due", "plus tax"),
    ),
    _Concept(
        _NUMBER,
        ("total", "grand total", "total amount", "total due", "amount due", "total amount due", "balance due",
         "balance", "amount payable", "total payable", "total amount payable", "payable amount",
         "total to pay", "amount to pay", "total to be paid", "amount to be paid", "invoice total",
         "invoice amount", "total invoice amount", "total invoice", "total including tax",
         "amount including tax", "total amount including tax", "tax inclusive amount", "gross",
         "gross total", "gross amount", "total gross", "total gross amount", "gross sum", "final total",
         "final amount", "outstanding", "outstanding amount", "amount outstanding", "outstanding balance",
         "total balance due", "balance owing", "amount owing", "amount owed", "total owed"),
    ),
    _Concept(_NUMBER, ("discount", "discount amount", "total discount", "rebate", "less discount")),
    _Concept(
        _NUMBER,
        ("shipping", "shipping cost", "shipping costs", "freight", "postage", "delivery charge", "carriage",
         "shipping and handling"),
    ),
    _Concept(
        _NUMBER,
        ("amount paid", "paid", "payments", "paid to date", "already paid", "payment received"),
    ),
    _Concept(
        _NUMBER,
        ("contract value", "contract price", "contract sum", "contract amount", "agreement value",
         "value of contract", "total contract value"),
    ),
    # ---- parties and persons
    _Concept(("string",), ("supplier", "vendor", "seller", "provider", "contractor")),
    _Concept(("string",), ("buyer", "customer", "client", "purchaser")),
    _Concept(
        ("string",),
        ("full name", "full legal name", "legal name", "name", "applicant", "name of applicant",
         "first and last name"),
    ),
    _Concept(
        ("string",),
        ("company", "company name", "name of company", "organisation", "organization", "employer",
         "business name", "firm"),
    ),
    _Concept(
        ("string",),
        ("phone", "phone number", "mobile", "mobile number", "mobile phone", "cell phone", "contact number",
         "daytime phone"),
    ),
    _Concept(("string",), ("email", "email address")),
    _Concept(("string",), ("address", "postal address", "street address", "home address", "mailing address")),
    _Concept(
        ("enum", "string"),
        ("payment method", "method of payment", "payment type", "type of payment", "paid by", "paid with",
         "paid via", "payment", "means of payment", "tender", "payment means"),
    ),
    _Concept(
        ("boolean",),
        ("terms accepted", "accept terms", "terms agreed", "agree to terms", "terms and conditions accepted"),
    ),
    # ---- lines of lists
    _Concept(
        ("string",),
        ("description", "item", "items", "article", "articles", "product", "products", "service", "services",
         "goods", "details", "particulars", "designation", "name", "item name", "item description",
         "article description", "product name", "product description", "description of goods",
         "description of services", "service description", "products and services", "goods and services",
         "product or service", "item and description", "work", "work done", "work performed", "task",
         "activity", "material", "part"),
        in_list=True,
    ),
    _Concept(
        _NUMBER,
        ("quantity", "units", "unit count", "pieces", "count", "number of units", "number of items", "hours",
         "days", "invoiced quantity", "billed quantity", "quantity ordered", "quantity delivered",
         "quantity shipped", "hours worked", "hours or quantity"),
        in_list=True,
    ),
    _Concept(
        _NUMBER,
        ("unit price", "price", "each", "rate", "unit cost", "unit rate", "unit value", "unit net price",
         "net unit price", "net price", "item price", "price each", "cost each", "price per unit",
         "cost per unit", "price per item", "price per piece", "per unit", "rate per unit", "hourly rate",
         "rate per hour", "price per hour", "daily rate", "day rate", "list price", "sales price",
         "selling price"),
        in_list=True,
    ),
    _Concept(
        _NUMBER,
        ("amount", "line total", "line amount", "line value", "total", "total amount", "total price", "value",
         "net amount", "net total", "net value", "subtotal", "sum", "cost", "extended price",
         "extended amount", "extension", "item total", "amount excluding tax", "total excluding tax",
         "total net", "line net amount", "row total"),
        in_list=True,
    ),
    _Concept(
        _CODE,
        ("item number", "item code", "article number", "article code", "product code", "product number",
         "part number", "sku", "code", "material number"),
        in_list=True,
    ),
)  # fmt: skip


def also_called(fields: Sequence[Field]) -> Mapping[str, tuple[str, ...]]:
    """For each field's path the other phrases of its concept.

    A field is of the concept that shares most phrases with its labels, of its kind, and for lists or
    for single values as it is. A phrase that another field beside it states, or could as well be called
    by, is left out: it would decide nothing.
    """
    concepts = {field.path: _concept(field) for field in fields}
    claims: dict[tuple[bool, tuple[str, ...]], set[str]] = {}
    for field in fields:
        concept = concepts[field.path]
        for phrase in (*field.labels, *(concept.phrases if concept else ())):
            claims.setdefault((bool(field.group), label_words(phrase)), set()).add(field.path)
    found: dict[str, tuple[str, ...]] = {}
    for field in fields:
        concept = concepts[field.path]
        own = {label_words(label) for label in field.labels}
        phrases: dict[tuple[str, ...], str] = {}
        for phrase in concept.phrases if concept else ():
            words = label_words(phrase)
            if words not in own and len(claims[bool(field.group), words]) == 1:
                phrases.setdefault(words, phrase)
        found[field.path] = tuple(phrases.values())
    return found


def _concept(field: Field) -> _Concept | None:
    own = {label_words(label) for label in field.labels}
    best: tuple[int, _Concept | None] = (0, None)
    for concept in _CONCEPTS:
        if concept.in_list == bool(field.group) and field.kind in concept.kinds:
            shared = len(own & {label_words(phrase) for phrase in concept.phrases})
            if shared > best[0]:
                best = (shared, concept)
    return best[1]
