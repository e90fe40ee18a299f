"""A generator of documents with exact truth: what is on each page, where, and what it means."""

from paperwork.building import BUILDING
from paperwork.documents import KINDS, make
from paperwork.layouts import Layout
from paperwork.measuring import MEASURING
from paperwork.routes import ROUTES, Route, routed
from paperwork.sheet import Made, TrueTable, TrueWord, Truth

__all__ = [
    "BUILDING",
    "KINDS",
    "MEASURING",
    "ROUTES",
    "Layout",
    "Made",
    "Route",
    "TrueTable",
    "TrueWord",
    "Truth",
    "make",
    "routed",
]
