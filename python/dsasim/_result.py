"""Results: the JSON document of a command, and its tables as NumPy arrays."""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas

_PREAMBLE = ("schema", "tool", "config", "trace")


def _flat(row: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """An object's numbers and texts; a field of an object within has its name behind a dot: "tpot_ns.mean"."""
    cells: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            cells.update(_flat(value, f"{prefix}{name}."))
        else:
            cells[prefix + name] = value
    return cells


def _column(values: list[Any]) -> np.ndarray:
    """Exact integers where all are; NaN where a number is not known; objects where they are of several kinds."""
    known = [value for value in values if value is not None]
    if known and all(isinstance(value, bool) for value in known) and len(known) == len(values):
        return np.array(values, dtype=np.bool_)
    numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in known)
    if known and numbers and len(known) == len(values) and all(isinstance(value, int) for value in known):
        return np.array(values, dtype=np.int64 if max(values) < 2**63 else np.uint64)
    if numbers:
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def table_of(rows: list[dict[str, Any]]) -> np.ndarray:
    """Objects as a structured array, a row each. Shape: (rows,). Field names are those of the documents."""
    cells = [_flat(row) for row in rows]
    names = list(dict.fromkeys(name for row in cells for name in row))
    columns = [_column([row.get(name) for row in cells]) for name in names]
    table = np.empty(len(rows), dtype=[(name, column.dtype) for name, column in zip(names, columns)])
    for name, column in zip(names, columns):
        table[name] = column
    return table


class Result:
    """What a command found: its JSON document (docs/report.md), field by field.

    `result.totals["misses"]` is a number; a list of objects (`layers`, `requests`, `points`, `rows`, ...) is a
    structured array, so `result.layers["misses"]` is an array by layer. Integers are exact. `document` is all of it.
    """

    def __init__(self, document: dict[str, Any], per_step: np.ndarray | None = None):
        self.document = document
        self._tables: dict[str, np.ndarray] = {} if per_step is None else {"per_step": per_step}

    @property
    def tables(self) -> list[str]:
        """Names of the tables, in the document's order."""
        found = [name for name, value in self.document.items()
                 if name not in _PREAMBLE and isinstance(value, list) and value and isinstance(value[0], dict)]
        return found + [name for name in self._tables if name not in found]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "document":
            raise AttributeError(name)
        if name in self._tables:
            return self._tables[name]
        if name == "per_step":
            raise AttributeError("per_step: ask for it, as in dsasim.replay(trace, per_step=True)")
        if name not in self.document:
            raise AttributeError(f"{name}: {self.document.get('schema')} has {', '.join(self.document)}")
        value = self.document[name]
        if isinstance(value, list) and (not value or isinstance(value[0], dict)):
            self._tables[name] = value = table_of(value)
        return value

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.document, *self._tables]

    def to_pandas(self, table: str | None = None) -> pandas.DataFrame:
        """A table as a DataFrame: the first one, or that of this name. A document without tables is one row."""
        import pandas as pd

        if table is None and not self.tables:
            rest = {name: value for name, value in self.document.items() if name not in _PREAMBLE}
            return pd.DataFrame(table_of([rest]))
        return pd.DataFrame(getattr(self, table or self.tables[0]))

    def to_json(self) -> str:
        """The document, as `dsasim --json` writes it."""
        return json.dumps(self.document, indent=2, ensure_ascii=False) + "\n"

    def __repr__(self) -> str:
        return f"<{self.document.get('schema', 'dsasim')}: {', '.join(self.document)}>"

    def _repr_html_(self) -> str:
        """The first table, for notebooks; of long ones the first rows."""
        most_rows = 50
        rows = getattr(self, self.tables[0]) if self.tables else table_of(
            [{name: value for name, value in self.document.items() if name not in _PREAMBLE}])
        names = rows.dtype.names or ()
        head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
        body = "".join("<tr>" + "".join(f"<td>{html.escape(str(row[name]))}</td>" for name in names) + "</tr>"
                       for row in rows[:most_rows])
        more = f"<p>{len(rows) - most_rows} more rows</p>" if len(rows) > most_rows else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"
