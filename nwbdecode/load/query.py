"""Conditions on tables: a small language of comparisons, and nothing that can run."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.errors import NWBDecodeError, suggest

if TYPE_CHECKING:
    import pandas as pd

#: Text that lists ids and ranges of them, such as ``"0,3,5-8"``.
ID_LIST = re.compile(r"\s*\d+(\s*-\s*\d+)?(\s*,\s*\d+(\s*-\s*\d+)?)*\s*")

_LONGEST = 1000
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_ALLOWED = "comparisons of columns with values, joined by and, or, not, in"
_EXAMPLES = {
    "channel": '"location == \'CA1\' and x > 3", or ids such as "0,3,5-8"',
    "row": "\"label == 'run'\" or \"'run' in tags\"",
}


def matching(condition: str, table: pd.DataFrame, *, what: str = "channel") -> np.ndarray:
    """Find the rows of a table that fulfill a condition.

    The condition is read as a syntax tree of comparisons (``== != < <= > >=
    in``, ``not in``), ``and``, ``or``, ``not``, column names (``id`` and
    ``index`` are the rows' ids), numbers, texts and lists. A column of several
    texts a row, such as tags, stands on the right of ``in``. Calls,
    attributes and everything else are refused, so nothing in it can run.

    Parameters
    ----------
    condition : str
    table : pandas.DataFrame
        Indexed by channel or row id.
    what : str, default "channel"
        What a row is, for messages.

    Returns
    -------
    array of int
        Positions of the rows, in the table's order.

    Raises
    ------
    NWBDecodeError
        If the condition cannot be read, names an unknown column, or no row
        fits; the message lists what the columns hold.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"location": ["CA1", "CA3"]}, index=[10, 11])
    >>> matching("location == 'CA3' and id in [10, 11]", table).tolist()
    [1]
    """
    if len(condition) > _LONGEST:
        raise NWBDecodeError(f"the {what} condition is longer than {_LONGEST} characters")
    try:
        tree = ast.parse(condition.strip(), mode="eval").body
        reader = _Reader(condition, table, what)
        found = reader.truth(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        if isinstance(error, NWBDecodeError):
            raise
        raise NWBDecodeError(
            f"cannot read the {what} condition {condition!r}; expected {_ALLOWED}, "
            f"such as {_EXAMPLES.get(what, _EXAMPLES['row'])}"
        ) from None
    rows = np.flatnonzero(found)
    if not rows.size:
        values = "; ".join(f"{name} has {_values(reader.column(name))}" for name in reader.used)
        raise NWBDecodeError(f"no {what} fits {condition!r}: {values or 'it uses no column'}")
    return rows


class _Reader:
    """Walks one condition over one table, remembering the columns it used."""

    def __init__(self, condition: str, table: pd.DataFrame, what: str) -> None:
        self.condition = condition
        self.what = what
        self.table = table
        self.used: list[str] = []

    def truth(self, node: ast.expr) -> np.ndarray:
        if isinstance(node, ast.BoolOp):
            join = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
            return np.asarray(join.reduce([self.truth(part) for part in node.values]))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return ~self.truth(node.operand)
        if isinstance(node, ast.Compare):
            sides = [self.value(side) for side in (node.left, *node.comparators)]
            return np.asarray(
                np.logical_and.reduce(
                    [
                        self.compare(op, left, right)
                        for op, left, right in zip(node.ops, sides, sides[1:], strict=False)
                    ]
                )
            )
        if isinstance(node, ast.Name):
            column = self.value(node)
            if column.dtype == bool:
                return np.asarray(column)
            raise NWBDecodeError(
                f"column {node.id!r} in {self.condition!r} is no yes/no column; "
                "compare it with a value"
            )
        raise self.refused(node)

    def value(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Name):
            column = self.column(node.id)
            if node.id not in self.used:
                self.used.append(node.id)
            return column
        if isinstance(node, ast.Constant) and isinstance(node.value, str | int | float | bool):
            return node.value
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            number = self.value(node.operand)
            if isinstance(number, int | float):
                return -number
        if isinstance(node, ast.List | ast.Tuple):
            items = [self.value(item) for item in node.elts]
            if not any(isinstance(item, np.ndarray | list) for item in items):
                return items
        raise self.refused(node)

    def compare(self, op: ast.cmpop, left: Any, right: Any) -> np.ndarray:
        shape = (len(self.table),)
        if isinstance(op, ast.In | ast.NotIn):
            if isinstance(left, str) and _holds_texts(right):
                inside = np.array([left in texts for texts in right], dtype=bool)
                return inside if isinstance(op, ast.In) else ~inside
            if not isinstance(right, list):
                raise NWBDecodeError(
                    f"'in' needs a list in {self.condition!r}, such as location in ['CA1', 'CA3']"
                )
            column = np.broadcast_to(np.asarray(left, dtype=object), shape)
            inside = np.array([value in right for value in column], dtype=bool)
            return inside if isinstance(op, ast.In) else ~inside
        if type(op) not in _COMPARE or isinstance(left, list) or isinstance(right, list):
            raise NWBDecodeError(f"{self.condition!r} is not allowed; expected {_ALLOWED}")
        sides = [np.broadcast_to(np.asarray(side, dtype=object), shape) for side in (left, right)]
        try:
            return np.asarray(_COMPARE[type(op)](*sides), dtype=bool)
        except TypeError:
            raise NWBDecodeError(
                f"{self.condition!r} compares text with a number; put text in quotes"
            ) from None

    def column(self, name: str) -> np.ndarray:
        if name in self.table:
            return np.asarray(self.table[name].to_numpy())
        if name in ("id", "index", "channel"):
            return np.asarray(self.table.index.to_numpy())
        names = [*map(str, self.table.columns), "id"]
        raise NWBDecodeError(
            f"the {self.what} table has no column {name!r}. {suggest(name, names)}"
        )

    def refused(self, node: ast.expr) -> NWBDecodeError:
        part = ast.get_source_segment(self.condition.strip(), node) or type(node).__name__
        hint = " (join conditions with and, or)" if isinstance(node, ast.BinOp) else ""
        return NWBDecodeError(
            f"{part!r} is not allowed in a {self.what} condition{hint}; expected {_ALLOWED}"
        )


def _holds_texts(column: Any) -> bool:
    """Whether a column has a tuple of texts in each row."""
    if not isinstance(column, np.ndarray) or column.dtype != object:
        return False
    return all(isinstance(texts, tuple) for texts in column)


def _values(column: np.ndarray) -> str:
    if column.dtype.kind in "iuf":
        finite = column[np.isfinite(column.astype(float))]
        return f"{finite.min():g} to {finite.max():g}" if finite.size else "no numbers"
    names, counts = np.unique(column.astype(str), return_counts=True)
    shown = [f"{name!r} ({n})" for name, n in zip(names.tolist(), counts, strict=True)][:12]
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    return ", ".join(shown) + more
