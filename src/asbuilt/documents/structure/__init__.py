"""Words, drawn lines and pictures of a page -> its structure: lines, tables, blocks, a reading order.

General mechanisms only: white space, alignment, rulings, sizes of type. Nothing is learnt and nothing
looks for words of one language, except that captions are also known by "Figure 3" and the like.
"""

from __future__ import annotations

from asbuilt.documents.structure.arrange import RECIPE, arrange
from asbuilt.documents.structure.stitch import stitch

__all__ = ["RECIPE", "arrange", "stitch"]
