"""Files -> text with positions -> chunks.

`sources` finds the files that the arguments of an ingestion mean; `choose` picks the reader for a
file; the readers (`text`, `markdown`, `rst`, `html`, `pdf`, `docx`) turn its bytes into a
`Document`; `chunker` cuts a document into spans.
"""

from asbuilt.documents.choose import choose_reader
from asbuilt.documents.sources import Candidate, Skipped, SourceFile, Sources, find_sources, read_bytes

__all__ = ["Candidate", "Skipped", "SourceFile", "Sources", "choose_reader", "find_sources", "read_bytes"]
