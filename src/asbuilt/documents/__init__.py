"""Files -> text with positions -> chunks.

`sources` finds the files that the arguments of an ingestion mean; `choose` picks the reader for a
file; the readers (`text`, `markdown`, `rst`, `html`, `pdf`, `image`, `docx`, `xlsx`, `pptx`, `csv`,
`email`) turn its bytes into a `Document`, most of them page by page; `drawn` lays formats without
pages out on pages; `chunker` cuts a document into spans.
"""

from asbuilt.documents.choose import choose_reader
from asbuilt.documents.sources import Candidate, Skipped, SourceFile, Sources, find_sources, read_bytes

__all__ = ["Candidate", "Skipped", "SourceFile", "Sources", "choose_reader", "find_sources", "read_bytes"]
