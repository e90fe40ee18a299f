"""Blueprint -> live system: the only place that builds, opens and closes components."""

from __future__ import annotations

import asyncio
import importlib.util
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from filelock import FileLock, Timeout

from asbuilt import __version__, registry
from asbuilt.agents.orchestrator import SwarmOrchestrator
from asbuilt.blueprint import (
    Blueprint,
    ComponentSpec,
    build_order,
    config_values,
    load_checked,
    refuse_faulty,
    resolve_needs,
)
from asbuilt.blueprint.needs import Parts, match_needs
from asbuilt.blueprint.state import STATE_FOLDER, catalog_file
from asbuilt.catalog import Catalog
from asbuilt.documents.choose import choose_reader
from asbuilt.documents.sources import SourceFile, find_sources, read_bytes
from asbuilt.errors import MissingError, NotFoundError, StorageError, UserError
from asbuilt.extraction.batch import SEARCHABLE_PDF, ExtractionBatch
from asbuilt.extraction.corrections import Correction, correction_of
from asbuilt.extraction.folder import find_document, read_results
from asbuilt.extraction.learned import Learned
from asbuilt.extraction.pipeline import ExtractionPipeline, ExtractionStopped
from asbuilt.extraction.schema import load_schema
from asbuilt.extraction.verify import VerifyReport, verify
from asbuilt.fields import Extraction, FieldSchema
from asbuilt.knowledge import IngestionReport, KnowledgeBase
from asbuilt.knowledge.vectors import vector_id
from asbuilt.modalities import Result, Task
from asbuilt.pages import PageLayout
from asbuilt.retrieval.hybrid import Explanation, Fit, HybridRetriever
from asbuilt.retrieval.known_answers import load_known_answers
from asbuilt.roles import (
    Assistant,
    Chunker,
    Embedder,
    Extractor,
    Generator,
    Index,
    Processor,
    Progress,
    Reader,
    Retriever,
    TrainingPipeline,
)
from asbuilt.tracing import Recorder, observe
from asbuilt.types import Answer, Filters, Finished, GenerationOptions, Hit, Message

__all__ = ["System"]

_MAX_SLOTS = 16


class System:
    """A blueprint brought to life, part by part, as parts are asked for.

    >>> with System.load("blueprint.yaml") as system:
    ...     hits = system.retriever.retrieve("how do I empty a queue?")

    A part is built and opened, after what it needs, the first time it is asked for; `close`
    closes in the opposite order. State lives in ``.asbuilt/`` beside the blueprint: the catalogue,
    and one slot a process for what only one process may hold (an index folder), so that a
    running server never keeps the command line out.

    A blueprint made in Python is checked like one from a file, and BlueprintError has every fault;
    `checked` says that this was done.
    """

    def __init__(self, blueprint: Blueprint, *, folder: Path, checked: bool = False) -> None:
        if not checked:
            refuse_faulty(blueprint, folder=folder)
        self.blueprint = blueprint
        self.folder = folder
        self.state_folder = folder / STATE_FOLDER
        self._needs = resolve_needs(blueprint)
        self._order = [name for name in build_order(blueprint) if blueprint.component(name).use]
        self._parts: dict[str, Any] = {}
        self._opened: list[Any] = []
        self.recorder = Recorder(self.state_folder, digest=blueprint.digest)
        self._lock = threading.RLock()
        self._slot: tuple[Path, FileLock] | None = None
        self._knowledge: KnowledgeBase | None = None
        self._default_readers: dict[str, Reader] | None = None
        self._extractor: Extractor | None = None

    @classmethod
    def load(cls, path: str | Path = "blueprint.yaml") -> System:
        """Load and check a blueprint. Raises BlueprintError with every fault."""
        file = Path(path).resolve()
        return cls(load_checked(file), folder=file.parent, checked=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ------------------------------------------------------------ parts

    def part(self, name: str) -> Any:
        """The open component called `name` in the blueprint.

        Raises NotFoundError when there is none, or when it is only planned.
        """
        with self._lock:
            if name not in self._parts:
                self._parts[name] = self._build(name)
            return self._parts[name]

    def names_of(self, role: str) -> list[str]:
        """The built components that play a role, in build order."""
        return [name for name in self._order if self._use(name).startswith(f"{role}/")]

    def _only(self, role: str) -> Any:
        found = self.names_of(role)
        if not found:
            raise NotFoundError(
                f"the blueprint has no component that plays {role!r}.",
                hint=f"Add one with `use: {role}/...`.",
            )
        # The one that nothing else of its role wraps: the outermost.
        return self.part(found[-1])

    @property
    def catalog(self) -> Catalog:
        """The open catalogue of the project."""
        with self._lock:
            catalog = self._parts.get(_CATALOG)
            if catalog is None:
                catalog = Catalog(file=catalog_file(self.folder))
                self._open(catalog)
                self._parts[_CATALOG] = catalog
            return cast(Catalog, catalog)

    @property
    def assistant(self) -> Assistant:
        return cast(Assistant, self._only("assistant"))

    @property
    def orchestrator(self) -> SwarmOrchestrator:
        """What has agents do a task; what they search is brought up to date first."""
        orchestrator = cast(SwarmOrchestrator, self._only("orchestrator"))
        if self.names_of("index"):
            self.knowledge.catch_up()
        return orchestrator

    @property
    def pipeline(self) -> TrainingPipeline:
        """What trains a model and has it serve."""
        return cast(TrainingPipeline, self._only("pipeline"))

    @property
    def generator(self) -> Generator:
        return cast(Generator, self._only("generator"))

    @property
    def retriever(self) -> Retriever:
        """The retriever; the index is brought up to date first."""
        retriever = cast(Retriever, self._only("retriever"))
        self.knowledge.catch_up()
        return retriever

    @property
    def embedder(self) -> Embedder:
        return cast(Embedder, self._only("embedder"))

    @property
    def index(self) -> Index:
        return cast(Index, self._only("index"))

    @property
    def chunker(self) -> Chunker:
        return cast(Chunker, self._only("chunker"))

    @property
    def knowledge(self) -> KnowledgeBase:
        """Ingestion and the state of search."""
        with self._lock:
            if self._knowledge is None:
                readers = self._readers()
                self._knowledge = KnowledgeBase(
                    catalog=self.catalog,
                    choose_reader=lambda name, data: choose_reader(name, data, readers),
                    chunker=self.chunker,
                    embedder=self.embedder,
                    index=self.index,
                    lock_file=self.state_folder / "ingest.lock",
                )
                self._opened.append(self._knowledge)
            return self._knowledge

    @property
    def extractor(self) -> Extractor:
        """What takes values out of documents; ``extractor/layout`` where the blueprint names none."""
        with self._lock:
            if self._extractor is None:
                named = self.names_of("extractor")
                self._extractor = self.part(named[-1]) if named else self._default(_EXTRACTOR)
            return self._extractor

    @property
    def extraction(self) -> ExtractionPipeline:
        """Files to values; pages are kept in the catalogue."""
        readers = self._readers()
        return ExtractionPipeline(
            choose_reader=lambda name, data: choose_reader(name, data, readers),
            store=self.catalog.pages,
            extractors=(self.extractor,),
            recipe=self._extractor_recipe(),
            learned=Learned(self.state_folder),
        )

    def _extractor_recipe(self) -> tuple[str, ...]:
        named = (*self.names_of("extractor"), *self.names_of("generator"), *self.names_of("embedder"))
        drawn = [self.blueprint.component(name) for name in named]
        return tuple(f"{each.use} {sorted(each.config.items())}" for each in drawn) or (_EXTRACTOR,)

    def chunker_like(self, **config: Any) -> Chunker:
        """The blueprint's chunker with some of its config replaced, open."""
        name = self.names_of("chunker")[-1]
        component = self.blueprint.component(name)
        values = {**config_values(component, self.folder), **config}
        chunker = registry.resolve(self._use(name))(**values)
        self._open(chunker)
        return cast(Chunker, chunker)

    def _readers(self) -> dict[str, Reader]:
        """Every reader there is; those that the blueprint names are as it says."""
        with self._lock:
            if self._default_readers is None:
                drawn = {self._use(name): self.part(name) for name in self.names_of("reader")}
                others = [name for name in registry.names("reader") if name not in drawn]
                self._default_readers = {**drawn, **{name: self._default(name) for name in others}}
            return self._default_readers

    def _default(self, use: str) -> Any:
        """A component that the blueprint does not name, open, with what the blueprint has for its needs."""
        unnamed = ComponentSpec(f"({use})", "Not in the blueprint", use=use)
        needs, _ = match_needs(unnamed, registry.signature(use), Parts.of(self.blueprint))
        part = registry.resolve(use)(
            **{need: self.part(name) for need, name in needs.items() if isinstance(name, str)}
        )
        self._open(part)
        return part

    # ------------------------------------------------------------ what scripts ask for

    def ingest(
        self,
        paths: Sequence[str] | None = None,
        *,
        collection: str | None = None,
        prune: bool = False,
        retry: bool = False,
        progress: Progress | None = None,
        stop: threading.Event | None = None,
    ) -> IngestionReport:
        """Bring files, folders or globs into a collection; by default the blueprint's sources.

        Afterwards the fusion weight is fitted again if the blueprint names known answers and the
        collection changed.
        """
        wanted = self.blueprint.knowledge.sources if paths is None else paths
        if not wanted:
            raise UserError(
                "there is nothing to ingest.", hint="Name a PATH, or list some under knowledge.sources."
            )
        base = self.folder if paths is None else Path.cwd()
        found = find_sources([_located(str(path), base) for path in wanted])
        report = self.knowledge.ingest(
            [candidate.to_read() for candidate in found.files],
            collection=collection or self.blueprint.knowledge.collection,
            prune_under=found.listed if prune else (),
            retry=retry,
            progress=progress,
            stop=stop,
        )
        if report.changed and not (stop and stop.is_set()):
            if progress is not None:
                progress("fit", 0, 1)
            self.fit()
            if progress is not None:
                progress("fit", 1, 1)
        return report

    def embed(self, *, progress: Progress | None = None, stop: threading.Event | None = None) -> int:
        """Give every passage that has none a vector of this blueprint's embedder, and fit the fusion weight;
        no file is read. Gives their number."""
        report = self.knowledge.ingest(
            [], collection=self.blueprint.knowledge.collection, progress=progress, stop=stop
        )
        if not (stop and stop.is_set()):
            self.fit()
        return report.embedded

    def fit(self) -> Fit | None:
        """Fit the retriever's fusion weight on the blueprint's known answers; None if it names none."""
        file = self.blueprint.knowledge.known_answers
        retriever = self.retriever
        if file is None or not isinstance(retriever, HybridRetriever):
            return None
        return retriever.fit(load_known_answers(self.folder / file))

    def extract(
        self,
        paths: Sequence[str],
        *,
        schema: FieldSchema,
        out: Path,
        formats: Sequence[str] = (),
        progress: Progress | None = None,
        stop: threading.Event | None = None,
    ) -> list[Extraction]:
        """Take a schema's values out of files, folders or globs, into the folder `out`.

        One extraction a file, in order; a file that cannot be read has a `fault`. Files that were done
        into `out` before, by the same recipe, are not done again. `formats` are exporters' names. When
        `stop` is set, work ends at the next page, and `out` is finished by the next run.
        """
        files = [each.to_read() for each in find_sources([Path.cwd() / path for path in paths]).files]
        known = (*(name.partition("/")[2] for name in registry.names("exporter")), SEARCHABLE_PDF)
        for name in formats:
            if name not in known:
                raise NotFoundError(f"there is no format {name!r}.", hint=f"There are: {', '.join(known)}.")
        named = dict.fromkeys((*_FORMATS, *formats))
        searchable = SEARCHABLE_PDF in named
        exporters = [self._default(f"exporter/{name}") for name in named if name != SEARCHABLE_PDF]
        tell = progress or (lambda _stage, _done, _total: None)

        def on_page(name: str, page: int, pages: int) -> None:
            if pages >= _MANY_PAGES:
                tell(name, page, pages)

        batch = ExtractionBatch(self.extraction, schema, out, version=__version__)
        stopping = stop.is_set if stop is not None else None
        extractions: list[Extraction] = []
        try:
            for extraction in batch.run(files, on_page=on_page, stopping=stopping):
                extractions.append(extraction)
                tell("extract", len(extractions), len(files))
        except ExtractionStopped:
            return extractions
        batch.finish(exporters, searchable=searchable)
        return extractions

    def correct(self, out: Path, document: str, path: str, value: Any) -> Correction:
        """Keep what a value of a folder that `extract` wrote should have been (None: it is not there),
        and learn from it. The next `extract` into that folder, and of documents of the same layout,
        knows it. Raises NotFoundError for a document that is not there, UserError for a path or value.
        """
        results = read_results(out)
        stored = find_document(results, document)
        schema = load_schema(results.schema)
        pipeline = self.extraction
        opened = pipeline.open(
            SourceFile(stored.origin.source, document, partial(read_bytes, stored.origin.source))
        )
        pages = tuple(pipeline.pages(opened))
        correction = correction_of(stored.extraction, path, value, schema=schema, pages=pages)
        pipeline.learned.learn(correction, pages)
        return correction

    def verify(
        self, out: Path, *, sources: Path | None = None, on_document: Callable[[str], None] | None = None
    ) -> VerifyReport:
        """Prove the values of a folder that `extract` wrote again, from files and crops."""
        pipeline = self.extraction
        ocr = [self.part(name) for name in self.names_of("ocr")] or [self._default(_OCR)]

        def reread(name: str, data: bytes) -> Iterator[PageLayout]:
            return pipeline.reread(pipeline.open(SourceFile(name, name, lambda: data)))

        return verify(
            out,
            reread=reread,
            ocr=ocr[0],
            second=ocr[1] if len(ocr) > 1 else None,
            sources=sources,
            on_document=on_document,
        )

    def process(self, task: Task) -> Result:
        """Rank pages, tell classes or answer from pages, over files of any kind. Raises NotFoundError
        where the blueprint has no processor."""
        return cast(Processor, self._only("processor")).process(task)

    def explain(self, query: str, *, top_k: int | None = None, filters: Filters | None = None) -> Explanation:
        """Like `search`, with every side's rank and score and the time of each stage."""
        retriever = self.retriever
        if isinstance(retriever, HybridRetriever):
            return retriever.explain(query, top_k=top_k, filters=filters)
        started = time.perf_counter()
        hits = retriever.retrieve(query, top_k=top_k, filters=filters)
        took_ms = 1000 * (time.perf_counter() - started)
        return Explanation(tuple(hits), {"retrieve": took_ms}, "the retriever does not say")

    def search(self, query: str, *, top_k: int | None = None, filters: Filters | None = None) -> list[Hit]:
        """The passages that may answer `query`, best first."""
        return self.retriever.retrieve(query, top_k=top_k, filters=filters)

    def ask(
        self,
        question: str | Sequence[Message],
        *,
        options: GenerationOptions | None = None,
        filters: Filters | None = None,
    ) -> Answer:
        """Answer a question (or a conversation that ends with one) and wait for all of it."""
        messages = (Message("user", question),) if isinstance(question, str) else question
        self.knowledge.catch_up()
        return asyncio.run(_answer(self.assistant, messages, options, filters))

    # ------------------------------------------------------------ build, open, close

    def open(self) -> None:
        """Open everything that is built, in order."""
        for name in self._order:
            self.part(name)
        if self.names_of("index"):
            self.knowledge.catch_up()

    def close(self) -> None:
        """Close what was opened, last first. May be called twice."""
        with self._lock:
            while self._opened:
                part = self._opened.pop()
                if hasattr(part, "close"):
                    part.close()
            self._parts.clear()
            self._knowledge = self._default_readers = self._extractor = None
            self.recorder.close()
            if self._slot is not None:
                self._slot[1].release()
                self._slot = None

    def _use(self, name: str) -> str:
        return self.blueprint.component(name).use or ""

    def _build(self, name: str) -> Any:
        if name not in self._order:
            state = "is only planned" if name in self.blueprint.names() else "does not exist"
            raise NotFoundError(
                f"component {name!r} {state} in this blueprint.", hint=f"Built: {', '.join(self._order)}."
            )
        component = self.blueprint.component(name)
        keywords: dict[str, Any] = config_values(component, self.folder)
        for need, target in self._needs.get(name, {}).items():
            keywords[need] = (
                self.part(target) if isinstance(target, str) else tuple(self.part(each) for each in target)
            )
        signature = registry.signature(self._use(name))
        if "catalog" in signature.given:
            keywords["catalog"] = self.catalog
        if "folder" in signature.given:
            keywords["folder"] = self._private_folder(name)
        if "component_name" in signature.given:
            keywords["component_name"] = component.name
        if "blueprint_digest" in signature.given:
            keywords["blueprint_digest"] = self.blueprint.digest
        if "component_purpose" in signature.given:
            keywords["component_purpose"] = component.purpose
        if "unnamed_readers" in signature.given:
            drawn = {self._use(each) for each in self.names_of("reader")}
            keywords["unnamed_readers"] = {
                use: reader for use, reader in self._readers().items() if use not in drawn
            }
        part = registry.resolve(self._use(name))(**keywords)
        self._open(part)
        observe(part, name=name, recorder=self.recorder)
        return part

    def _open(self, part: Any) -> None:
        if hasattr(part, "open"):
            part.open()
        self._opened.append(part)

    def _private_folder(self, name: str) -> Path:
        """A folder of this process for a component: its name says what its content was made from,
        and folders of earlier designs, being disposable, go."""
        component = self.blueprint.component(name)
        vectors = [vector_id(self.part(each)) for each in self.names_of("embedder")]
        made_from = repr((component.use, sorted(component.config.items()), vectors))
        folder = self._claim_slot() / f"{name}-{sha256(made_from.encode()).hexdigest()[:12]}"
        for old in folder.parent.glob(f"{name}-????????????"):
            if old != folder:
                shutil.rmtree(old, ignore_errors=True)
        folder.mkdir(exist_ok=True)
        return folder

    def _claim_slot(self) -> Path:
        if self._slot is None:
            for number in range(_MAX_SLOTS):
                slot = self.state_folder / "slots" / str(number)
                try:
                    slot.mkdir(parents=True, exist_ok=True)
                except OSError as error:
                    raise StorageError(f"cannot create {slot}: {error.strerror}.") from error
                lock = FileLock(slot / "lock", thread_local=False)
                try:
                    lock.acquire(timeout=0)
                except Timeout:
                    continue
                self._slot = (slot, lock)
                break
            else:
                raise StorageError(
                    f"{_MAX_SLOTS} processes already use {self.state_folder}.", hint="Stop one of them."
                )
        return self._slot[0]


_CATALOG = "(catalogue)"
_EXTRACTOR = "extractor/layout"
_OCR = "ocr/rapidocr"
_FORMATS = ("csv", "xlsx")
_MANY_PAGES = 5  # from which on a file's pages are worth a progress of their own
_PACKAGE = "package:"


def _located(argument: str, base: Path) -> Path:
    """A path, relative to `base`; ``package:NAME/FOLDER`` is a folder of an installed package."""
    if not argument.startswith(_PACKAGE):
        return base / Path(argument).expanduser()
    name, _, inside = argument.removeprefix(_PACKAGE).partition("/")
    spec = importlib.util.find_spec(name) if name.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise MissingError(f"{argument!r}: there is no package {name!r}.", hint=f"pip install {name}")
    return Path(spec.submodule_search_locations[0]) / inside


async def _answer(
    assistant: Assistant,
    messages: Sequence[Message],
    options: GenerationOptions | None,
    filters: Mapping[str, Any] | None,
) -> Answer:
    answer: Answer | None = None
    async for event in assistant.answer(messages, options=options, filters=filters):
        if isinstance(event, Finished):
            answer = event.answer
    assert answer is not None, "an assistant's last event is Finished and carries the answer"
    return answer
