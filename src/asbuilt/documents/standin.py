"""Until documents.structure is there."""
from __future__ import annotations
from dataclasses import replace
from asbuilt.pages import Block, Line, PageLayout, PageMarks, union
RECIPE = "stand-in"
def arrange(marks: PageMarks) -> PageLayout:
    words, lines, text = [], [], ""
    rows: list = []
    for word in sorted(marks.words, key=lambda w: (w.box.top + w.box.bottom)):
        if rows and (word.box.top+word.box.bottom)/2 < rows[-1][0].box.bottom: rows[-1].append(word)
        else: rows.append([word])
    for row in rows:
        row.sort(key=lambda w: w.box.left)
        if text: text += "\n"
        first = len(words)
        for i, w in enumerate(row):
            if i: text += " "
            words.append(replace(w, start=len(text))); text += w.text
        lines.append(Line(first, len(words), union(w.box for w in row)))
    blocks = (Block("paragraph", 0, len(words), union(w.box for w in words)),) if words else ()
    return PageLayout(marks.number, marks.width, marks.height, text, tuple(words), tuple(lines), blocks, rulings=marks.rulings, kind=marks.kind, rotation=marks.rotation, skew=marks.skew, flags=marks.flags)
