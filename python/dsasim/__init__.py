"""Replays captured selections of sparse attention through models of a KV cache, of memory and of a decode step.

A function for each command of the tool. Keyword arguments are the command line's options with underscores, as
`dsasim COMMAND --help` lists them: new_token="pinned", capacities=["1x", "2x"], dp_attention=True. Traces are paths or
`Trace` objects. A command runs as a process of its own: other threads go on, and Ctrl-C ends it.
"""

from __future__ import annotations

import csv
import os
import pathlib
import tempfile
from typing import Any, Iterator, Sequence, Union

import numpy as np

from . import _tool
from ._result import Result
from ._trace import Step, Trace, TraceWriter
from ._traces import ConfigError, Error, SystemError, TraceError

Path = Union[str, "os.PathLike[str]"]

__all__ = [
    "ConfigError", "Error", "Result", "Step", "SystemError", "Trace", "TraceError", "TraceWriter", "allocate", "analyze",
    "compare", "curve", "diff", "export", "gather", "generate", "import_capture", "info", "knee", "merge", "plan",
    "predict", "replay", "report", "roofline", "step", "study", "sweep", "verify",
]


def _ask(command: str, inputs: Any, options: dict[str, Any]) -> Result:
    return Result(_tool.document(command, _tool.arguments(options) + _tool.paths(inputs)))


def replay(trace: Path, *, per_step: bool = False, **options: Any) -> Result:
    """One cache configuration: `totals`, `layers`, `requests` (docs/report.md).

    With per_step, `per_step` has a row for each (step, layer, request).

    >>> dsasim.replay("batch.dsat", policy="lru", capacity="2x").totals["misses"]
    """
    if not per_step:
        return _ask("replay", trace, options)
    with tempfile.TemporaryDirectory(prefix="dsasim-") as folder:
        rows = pathlib.Path(folder) / "steps.csv"
        result = _ask("replay", trace, {**options, "per_step": rows})
        return Result(result.document, _steps_of(rows))


def _steps_of(file: pathlib.Path) -> np.ndarray:
    """The table of --per-step. What is not known (bytes without an entry's) is NaN."""
    with open(file, encoding="utf-8") as lines:
        names = next(lines).rstrip("\n").split(",")
        cells = next(lines, "").rstrip("\n").split(",")
    unknown = [place for place, cell in enumerate(cells) if cell == ""]
    kinds = [(name, np.float64 if place in unknown else np.int64) for place, name in enumerate(names)]
    nothing = {place: lambda _: np.nan for place in unknown}
    return np.loadtxt(file, delimiter=",", skiprows=1, dtype=kinds, converters=nothing, ndmin=1)


def compare(traces: Path | Sequence[Path], **options: Any) -> Result:
    """Miss ratios of policies at capacities, beside Belady's bound: `rows`.

    >>> dsasim.compare(["a.dsat", "b.dsat"], policies="hisparse,rt", capacities=["1x", "2x"]).to_pandas()
    """
    return _ask("compare", traces, options)


def predict(traces: Path | Sequence[Path], **options: Any) -> Result:
    """How much of the next selection a guess holds, by predictor and length: `rows`; by layer too: `layers`."""
    return _ask("predict", traces, options)


def curve(trace: Path, **options: Any) -> Result:
    """Misses at many capacities from one pass: `points`, by layer in `document["layers"]`."""
    return _ask("curve", trace, options)


def knee(trace: Path, target: str, **options: Any) -> Result:
    """The smallest capacity at which each policy reaches a target, as in "miss_ratio=0.1": `knees`."""
    return _ask("knee", trace, {"target": target, **options})


def allocate(trace: Path, budget: str | int, **options: Any) -> Result:
    """The split of one budget over layers or streams that misses least."""
    return _ask("allocate", trace, {"budget": budget, **options})


def study(trace: Path, *, model: str, gpu: str, **options: Any) -> Result:
    """What to reserve of a GPU's last-level cache, and what it gains: `points`."""
    return _ask("study", trace, {"model": model, "gpu": gpu, **options})


def plan(traces: Path | Sequence[Path], *, model: str, gpu: str, context: int | str, **options: Any) -> Result:
    """KV in host memory, sized: `rows`, a buffer size each, and the `best` of them (docs/plan.md)."""
    return _ask("plan", traces, {"model": model, "gpu": gpu, "context": context, **options})


def analyze(trace: Path | Sequence[Path], **options: Any) -> Result:
    """The paper's metrics and more: `metrics`; of two traces, side by side."""
    return _ask("analyze", trace, options)


def step(*, model: str, gpu: str, batch: int, context: int, **options: Any) -> Result:
    """The time of one decode step of a serving stack, by part, without a trace."""
    return _ask("step", [], {"model": model, "gpu": gpu, "batch": batch, "context": context, **options})


def gather(*, memory: str, rows: int, row_bytes: int, **options: Any) -> Result:
    """The predicted time of one gather of rows from a memory."""
    return _ask("gather", [], {"memory": memory, "rows": rows, "row_bytes": row_bytes, **options})


def roofline(*, model: str, gpu: str, context: int, batch: int, rate: float, **options: Any) -> Result:
    """GPUs, bandwidth and compute that a deployment needs at least."""
    return _ask("roofline", [], {"model": model, "gpu": gpu, "context": context, "batch": batch, "rate": rate, **options})


def info(trace: Path) -> Result:
    """The header of a trace: shape, provenance, size. The trace may be cut off."""
    return _ask("info", trace, {})


def report(inputs: Path | Result | Sequence[Path | Result], output: Path, **options: Any) -> None:
    """Pictures of results, of documents and of traces, as one HTML page that loads nothing."""
    many = inputs if isinstance(inputs, (list, tuple)) else [inputs]
    with tempfile.TemporaryDirectory(prefix="dsasim-") as folder:
        files = [_file_of(one, pathlib.Path(folder) / f"{place}.json") for place, one in enumerate(many)]
        _tool.run("report", _tool.arguments({**options, "output": output}) + _tool.paths(files))


def verify(trace: Path) -> None:
    """Reads and checks every byte of a trace. Raises TraceError for damage or a cut-off end."""
    Trace(trace).verify()


def generate(output: Path, **options: Any) -> Trace:
    """A synthetic trace, of a preset= or like= another trace."""
    _tool.run("generate", _tool.arguments({**options, "output": output}))
    return Trace(output)


def import_capture(inputs: Path | Sequence[Path], output: Path, **options: Any) -> Trace:
    """A trace of captured selections; several inputs become one batch. The format is from_=, otherwise recognised."""
    _tool.run("import", _tool.arguments({**options, "output": output}) + _tool.paths(inputs))
    return Trace(output)


def export(trace: Path, output: Path, *, to: str, **options: Any) -> None:
    """Writes a trace for other tools: to="npz", "csv", "oracle-general" or "addresses"."""
    _tool.run("export", _tool.arguments({"to": to, "output": output, **options}) + _tool.paths(trace))


def sweep(grid: Path, output: Path, **options: Any) -> Iterator[dict[str, str]]:
    """Every point of a grid into the CSV file `output`, and its rows as they stand there. An interrupted sweep goes on
    where it was."""
    _tool.run("sweep", _tool.arguments({**options, "output": output}) + _tool.paths(grid))
    return _rows(output)


def merge(parts: Sequence[Path], output: Path) -> Iterator[dict[str, str]]:
    """Joins the tables that the shards of a sweep wrote."""
    _tool.run("merge", _tool.arguments({"output": output}) + _tool.paths(parts))
    return _rows(output)


def _rows(table: Path) -> Iterator[dict[str, str]]:
    with open(table, newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def diff(first: Path | Result, second: Path | Result, **options: Any) -> Result:
    """Differences of two documents, files or results."""
    with tempfile.TemporaryDirectory(prefix="dsasim-") as folder:
        files = [_file_of(document, pathlib.Path(folder) / f"{place}.json")
                 for place, document in enumerate((first, second))]
        return Result(_tool.document("diff", _tool.arguments(options) + _tool.paths(files), accept=(0, 1)))


def _file_of(document: Path | Result, file: pathlib.Path) -> Path:
    if not isinstance(document, Result):
        return document
    file.write_text(document.to_json(), encoding="utf-8")
    return file
