"""The processor: route, encode, fuse, do the task, format."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from io import BytesIO
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from asbuilt.errors import ReadError, UserError
from asbuilt.modalities import Fused, InputFile, Result, RoutedPage, Task, TaskOutput
from asbuilt.multimodal.scores import score_pages
from asbuilt.registry import component
from asbuilt.resources.demand import holds_nothing
from asbuilt.roles import Embedder, FusionLayer, InputRouter, OutputFormatter, TaskHead, VisionEncoder
from asbuilt.types import Matrix, Vector

__all__ = ["MultimodalProcessor"]

_SHOWN_DPI = 110.0
"""Of pictures that a head looks at: text of 8 points can be read, and a page stays under 1.3 megapixels."""
_REMEMBERED = 20_000
"""Vectors of passages: 30 MB of MiniLM's, so that the next question about the same files is quick."""


@component("processor/multimodal")
class MultimodalProcessor:
    """Input router -> text and vision encoders -> fusion -> task head -> output formatter.

    `text_encoder` embeds passages and tables; each of `vision_encoders` embeds pictures of pages. A
    vision encoder that cannot compare words with pictures takes part in telling classes, and not in
    ranking, which the output notes. There must be at most one head for each kind of task; the first
    `classify_pages` pages of a file say what it is.

    Raises UserError for two heads of one task or two encoders of one name.
    """

    def __init__(
        self,
        *,
        router: InputRouter,
        text_encoder: Embedder,
        fusion: FusionLayer,
        heads: Sequence[TaskHead],
        formatters: Sequence[OutputFormatter],
        vision_encoders: Sequence[VisionEncoder] = (),
        classify_pages: int = 3,
    ) -> None:
        if classify_pages < 1:
            raise UserError(f"classify_pages is {classify_pages}; it must be at least 1.")
        self._router = router
        self._text_encoder = text_encoder
        self._fusion = fusion
        self._heads = {head.task: head for head in heads}
        self._formatters = {formatter.name: formatter for formatter in formatters}
        self._vision_encoders = tuple(vision_encoders)
        self._classify_pages = classify_pages
        self._vectors: dict[str, Vector] = {}
        for kind, given, known in (
            ("heads do one task", heads, self._heads),
            ("formatters have one name", formatters, self._formatters),
            ("vision encoders have one name", vision_encoders, {each.name for each in vision_encoders}),
        ):
            if len(given) != len(known):
                raise UserError(f"two {kind}.", hint="Keep one of them.")

    demand = staticmethod(holds_nothing)

    def process(self, task: Task) -> Result:
        """See the role."""
        head = self._heads.get(task.kind)
        formatter = self._formatters.get(task.format)
        if head is None:
            known = ", ".join(self._heads) or "none"
            raise UserError(f"no head does the task {task.kind!r}; there are heads for: {known}.")
        if formatter is None:
            known = ", ".join(self._formatters) or "none"
            raise UserError(f"there is no formatter {task.format!r}; there are: {known}.")
        if not task.inputs:
            raise UserError("there is no file to process.")
        if task.top_k < 1:
            raise UserError(f"top_k is {task.top_k}; it must be at least 1.")
        output = self._classified(task, head) if task.kind == "classify" else self._asked(task, head)
        return Result(output, formatter.format(output), formatter.media_type)

    def _embed(self, texts: Sequence[str]) -> Matrix:
        """Vectors of passages; those that were asked for lately are remembered."""
        new = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        if new:
            self._vectors.update(zip(new, self._text_encoder.embed(new), strict=True))
        found = np.array([self._vectors[text] for text in texts])
        while len(self._vectors) > _REMEMBERED:
            self._vectors.pop(next(iter(self._vectors)))
        return found

    # ------------------------------------------------------------ pages for a query

    def _asked(self, task: Task, head: TaskHead) -> TaskOutput:
        seers, notes = self._seers(task.query)
        pages: list[RoutedPage] = []
        faults: list[str] = []
        sights: dict[str, list[float]] = {name: [] for name in seers}
        for file in task.inputs:
            try:
                for page in self._router.route(file.load(), name=file.name):
                    for name, (encoder, query) in seers.items():
                        sight = encoder.encode(page.picture, page.layout)
                        sights[name].append(math.nan if sight is None else float(sight.vector @ query))
                    pages.append(replace(page, picture=None))  # a thousand pictures would fill the memory
            except ReadError as error:
                faults.append(f"{file.name}: {error}")
        vector = self._text_encoder.embed([task.query], kind="query")[0]
        scored = score_pages(pages, task.query, vector=vector, embed=self._embed)
        channels = {**scored.channels, **{name: np.array(found) for name, found in sights.items()}}
        scores = self._fusion.fuse(channels or {"text.words": np.full(len(pages), math.nan)})
        fused = Fused(pages=tuple(pages), scores=scores, matches=scored.matches)
        if head.pictures:
            order = np.argsort(-scores.scores, kind="stable")[: head.pictures]
            best = [int(number) for number in order if scores.scores[number] > 0]
            fused = replace(fused, pictures=dict(self._pictures(task, pages, best)))
        return _with_remarks(head.run(task, fused), notes, faults)

    def _seers(self, query: str) -> tuple[dict[str, tuple[VisionEncoder, Vector]], list[str]]:
        """Encoders that can compare pictures with the query, by channel, with its vector; and a note
        for each of the others."""
        seers: dict[str, tuple[VisionEncoder, Vector]] = {}
        notes = []
        for encoder in self._vision_encoders:
            vector = encoder.encode_query(query)
            if vector is None:
                notes.append(
                    f"{encoder.name} took no part: it cannot compare words with pictures. {encoder.describes}"
                )
            else:
                seers[f"picture.{encoder.name}"] = encoder, vector
        return seers, notes

    def _pictures(
        self, task: Task, pages: Sequence[RoutedPage], numbers: Sequence[int]
    ) -> Iterator[tuple[int, bytes]]:
        load = {file.name: file.load for file in task.inputs}
        for number in numbers:
            source, layout = pages[number].source, pages[number].layout
            picture = self._router.picture(load[source](), name=source, page=layout, dpi=_SHOWN_DPI)
            if picture is not None:
                written = BytesIO()
                PillowImage.fromarray(picture).save(written, "PNG")
                yield number, written.getvalue()

    # ------------------------------------------------------------ classes

    def _classified(self, task: Task, head: TaskHead) -> TaskOutput:
        if not task.examples:
            raise UserError(
                "there are no examples to tell classes from.",
                hint="Give at least two classes with an example each.",
            )
        faults: list[str] = []
        documents = list(self._encoded(task.inputs, faults))
        examples = list(self._encoded(task.examples, faults))
        if not documents or not examples:
            what = "example" if documents else "file"
            raise UserError(f"no {what} could be read: {'; '.join(faults)}.")
        of_documents = _matrices([vectors for _, vectors in documents])
        of_examples = _matrices([vectors for _, vectors in examples])
        both = [channel for channel in of_examples if channel in of_documents]
        known = {channel: of_examples[channel] for channel in both}
        fused = Fused(
            names=tuple(file.name for file, _ in documents),
            documents=self._fusion.join({channel: of_documents[channel] for channel in both}, examples=known),
            labels=tuple(file.label for file, _ in examples),
            examples=self._fusion.join(known, examples=known),
        )
        return _with_remarks(head.run(task, fused), (), faults)

    def _encoded(
        self, files: Sequence[InputFile], faults: list[str]
    ) -> Iterator[tuple[InputFile, dict[str, Vector]]]:
        """Each file that can be read, with a vector by channel that sees it."""
        for file in files:
            texts: list[str] = []
            sights: dict[str, list[Vector]] = {}
            try:
                pages = self._router.route(file.load(), name=file.name)
                for page in islice(pages, self._classify_pages):
                    parts = [part.text for part in page.parts if part.modality != "picture"]
                    texts += [text for text in parts if text.strip()]
                    for encoder in self._vision_encoders:
                        sight = encoder.encode(page.picture, page.layout)
                        if sight is not None:
                            sights.setdefault(f"picture.{encoder.name}", []).append(sight.vector)
            except ReadError as error:
                faults.append(f"{file.name}: {error}")
                continue
            vectors = {channel: _mean(np.array(found)) for channel, found in sights.items()}
            if texts:
                vectors["text.meaning"] = _mean(self._embed(texts))
            yield file, vectors


def _matrices(files: Sequence[Mapping[str, Vector]]) -> dict[str, NDArray[np.float32]]:
    """Shape (files, dim) by channel; a file that a channel does not see is a row of 0."""
    channels = sorted({channel for vectors in files for channel in vectors})
    matrices = {}
    for channel in channels:
        none = np.zeros_like(next(vectors[channel] for vectors in files if channel in vectors))
        matrices[channel] = np.array([vectors.get(channel, none) for vectors in files])
    return matrices


def _mean(vectors: NDArray[np.float32]) -> Vector:
    mean = vectors.mean(axis=0)
    length = float(np.linalg.norm(mean))
    return np.asarray(mean / length if length else mean, dtype=np.float32)


def _with_remarks(output: TaskOutput, notes: Sequence[str], faults: Sequence[str]) -> TaskOutput:
    return replace(output, notes=(*output.notes, *notes), faults=(*output.faults, *faults))
