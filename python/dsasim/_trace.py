"""Traces: open ones, and new ones from arrays."""

from __future__ import annotations

import os
from typing import Iterator, Sequence

import numpy as np

from ._traces import ConfigError, TraceFile, TraceFileWriter


class Step:
    """What all layers of one request selected at one step.

    `step[layer]` is what the first query selected, a view of `ids`: uint32, in the order they were logged; other
    queries by `step.selection(layer, query)`. Negative layers count from the last.
    """

    def __init__(self, number: int, layers: int, ids: np.ndarray, begins: np.ndarray, scores: np.ndarray | None,
                 queries: int, accepted: int):
        self.number = number  #: from the request's own first step
        self.layers = layers
        self.queries = queries  #: 1 in ordinary decoding, 0 at a pause
        self.accepted = accepted  #: the first so many queries; the others are rejected drafts
        self.ids = ids  #: by query, of each one layer behind the other
        self._begins = begins
        self._scores = None if scores is None else scores.view(np.float16)

    def __len__(self) -> int:
        return self.layers

    def _span(self, layer: int, query: int) -> slice:
        place = layer + self.layers if layer < 0 else layer
        if not 0 <= place < self.layers:
            raise IndexError(f"layer: expected below {self.layers}, found {layer}")
        if not 0 <= query < self.queries:
            raise IndexError(f"query: step {self.number} has {self.queries}, found {query}")
        row = query * self.layers + place
        return slice(int(self._begins[row]), int(self._begins[row + 1]))

    def __getitem__(self, layer: int) -> np.ndarray:
        return self.selection(layer)

    def selection(self, layer: int, query: int = 0) -> np.ndarray:
        """What one layer selected for one query."""
        return self.ids[self._span(layer, query)]

    def scores(self, layer: int, query: int = 0) -> np.ndarray | None:
        """float16, one for each id; None if the trace has none."""
        return None if self._scores is None else self._scores[self._span(layer, query)]


class Trace:
    """A .dsat file, open for reading. Commands take it in the place of a path.

    Raises TraceError for a file that is not a trace, is damaged, or is cut off (unless `allow_truncated`), SystemError
    if it cannot be read.
    """

    def __init__(self, path: str | os.PathLike[str], allow_truncated: bool = False):
        self._path = os.fspath(path)
        self._file = TraceFile(self._path, allow_truncated)
        self._last: tuple[int, int, Step] | None = None

    def __fspath__(self) -> str:
        return self._path

    def __repr__(self) -> str:
        return (f"<Trace {self._path}: {self.requests} requests, {self.layers} layers, {self.steps} steps, "
                f"top-k {self.top_k}>")

    @property
    def requests(self) -> int:
        return self._file.requests

    @property
    def layers(self) -> int:
        """Layers that own an index."""
        return self._file.layers

    @property
    def steps(self) -> int:
        """Steps of the batch: the last request's end."""
        return self._file.batch_steps

    @property
    def top_k(self) -> int:
        """The longest selection."""
        return self._file.top_k

    @property
    def accesses(self) -> int:
        return self._file.accesses

    @property
    def entry_bytes(self) -> int:
        """Of one entry in one layer; 0 if the trace does not say."""
        return self._file.entry_bytes

    @property
    def unit_tokens(self) -> int:
        return self._file.unit_tokens

    @property
    def prompt_tokens(self) -> list[int]:
        """By request."""
        return self._file.prompt_tokens

    @property
    def model(self) -> str:
        return self._file.model

    @property
    def provenance(self) -> str:
        return self._file.provenance

    def digest(self) -> str:
        """XXH3-128 of the content: 32 hexadecimal digits."""
        return self._file.digest()

    def verify(self) -> None:
        """Reads and checks every byte. Raises TraceError at the first thing that does not hold."""
        self._file.verify()

    def steps_of(self, request: int) -> int:
        """Steps of one request."""
        return self._file.steps_of(request)

    def step(self, request: int, step: int) -> Step:
        """One step, counted from the request's own first. Steps in order are decoded once; a step back begins anew at
        its chunk's start. Raises IndexError beyond the end."""
        if self._last is None or self._last[:2] != (request, step):
            self._last = (request, step, Step(step, self.layers, *self._file.step(request, step)))
        return self._last[2]

    def selection(self, request: int, step: int, layer: int, query: int = 0) -> np.ndarray:
        """The ids that one layer selected: uint32, in the order they were logged. A view of the decoded step."""
        return self.step(request, step).selection(layer, query)

    def request(self, request: int) -> Iterator[Step]:
        """The steps of one request, in order: `for step in trace.request(0): step[layer]`."""
        for step in range(self.steps_of(request)):
            yield self.step(request, step)


class TraceWriter:
    """Writes a .dsat file from arrays, step by step.

    >>> with TraceWriter("new.dsat", layers=2, prompt_tokens=[100]) as trace:
    ...     trace.append(0, [[1, 5, 99], [7, 8, 100]])

    `prompt_tokens` has one number for each request. With queries=True a step may have several queries, some of them
    rejected drafts, or none: `append_queries`. Raises ConfigError for a header that no trace can have. Without the
    end of the `with` block the file counts as cut off.
    """

    def __init__(self, path: str | os.PathLike[str], *, layers: int, prompt_tokens: Sequence[int],
                 start_steps: Sequence[int] = (), entry_bytes: int = 0, unit_tokens: int = 1, page_tokens: int = 0,
                 scores: bool = False, queries: bool = False, model: str = "", provenance: str = ""):
        self._file = TraceFileWriter(os.fspath(path), layers, list(prompt_tokens), list(start_steps), entry_bytes,
                                     unit_tokens, page_tokens, scores, queries, model, provenance)
        self._layers = layers
        self._requests = len(prompt_tokens)
        self._scores = scores
        self._queries = queries

    def append(self, request: int, selections: Sequence[np.ndarray | Sequence[int]],
               scores: Sequence[np.ndarray | Sequence[float]] | None = None) -> None:
        """The next step of a request: the ids of each layer, and a score for each id if the trace has them.

        Raises TraceError for an id twice or outside the context, ConfigError for what does not fit the header.
        """
        if self._queries:
            raise ConfigError("`queries`: this trace has steps of several queries; expected append_queries()")
        self._check_request(request)
        self._append_row(request, selections, scores)

    def append_queries(self, request: int, queries: Sequence[Sequence[np.ndarray | Sequence[int]]], accepted: int,
                       scores: Sequence[Sequence[np.ndarray | Sequence[float]]] | None = None) -> None:
        """The next step of a request: for each query the ids of each layer. The first `accepted` queries are tokens of
        the request from now on. A step without queries is a pause."""
        if not self._queries:
            raise ConfigError("`queries`: expected a trace that was begun with queries=True")
        self._check_request(request)
        if not 0 <= accepted <= len(queries):
            raise ConfigError(f"`accepted`: expected at most {len(queries)}, the queries, found {accepted}")
        self._file.begin_step(request, len(queries), accepted)
        for number, selections in enumerate(queries):
            self._append_row(request, selections, None if scores is None else scores[number])

    def _check_request(self, request: int) -> None:
        if not 0 <= request < self._requests:
            raise ConfigError(f"`request`: expected below {self._requests}, found {request}")

    def _append_row(self, request: int, selections: Sequence[np.ndarray | Sequence[int]],
                    scores: Sequence[np.ndarray | Sequence[float]] | None) -> None:
        if len(selections) != self._layers:
            raise ConfigError(f"`selections`: expected one for each of {self._layers} layers, found {len(selections)}")
        if (scores is not None) != self._scores or (scores is not None and len(scores) != self._layers):
            raise ConfigError(f"`scores`: expected {'those of each layer' if self._scores else 'none'}")
        arrays = [_ids(layer, ids) for layer, ids in enumerate(selections)]
        for layer, ids in enumerate(arrays):
            raw = None if scores is None else np.ascontiguousarray(scores[layer], dtype=np.float16).view(np.uint16)
            self._file.append(request, ids, raw)

    def __enter__(self) -> TraceWriter:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._file.finish()


def _ids(layer: int, ids: np.ndarray | Sequence[int]) -> np.ndarray:
    array = np.asarray(ids)
    if array.ndim != 1 or (array.size > 0 and not np.issubdtype(array.dtype, np.integer)):
        raise ConfigError(f"`selections`: layer {layer}: expected whole numbers in one dimension, found {array.dtype} of "
                          f"shape {array.shape}")
    if array.size > 0 and (array.min() < 0 or array.max() >= 2**32):
        raise ConfigError(f"`selections`: layer {layer}: expected ids from 0 below 2^32, found {array.min()} to {array.max()}")
    return np.ascontiguousarray(array, dtype=np.uint32)
