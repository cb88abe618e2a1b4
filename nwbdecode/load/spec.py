"""How a target is asked for in one line of text, the same in Python and in the shell."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from nwbdecode.decoding import KINDS
from nwbdecode.errors import NWBDecodeError, suggest
from nwbdecode.load.derivations import DERIVATIONS

_GRAMMAR = "[NAME=]PATH[[COLUMN,...]][,PATH][:DERIVATION[(OPTION=NUMBER,...)]][@KIND]"
_RESERVED = set("=:,@()[]")
# How reserved characters are written where they are part of a name in the file.
_ESCAPED = {"%25": "%"} | {f"%{ord(one):02X}": one for one in sorted(_RESERVED)}
_ESCAPE = re.compile("|".join(_ESCAPED), re.IGNORECASE)
_PATH = re.compile(r"(?P<path>[^=:,@()\[\]]+)(?:\[(?P<columns>[^=:@()\[\]]*)\])?")
# A comma between brackets stands between columns, not between paths.
_BETWEEN_PATHS = re.compile(r",(?![^\[\]]*\])")
_LINE = re.compile(
    r"(?:(?P<name>[^=:,@()]*)=)?"
    r"(?P<paths>[^=:@()]+)"
    r"(?::(?P<derivation>[^=:,@()]*)(?:\((?P<options>[^()]*)\)\s*)?)?"
    r"(?:@(?P<kind>[^=:,@()]*))?"
)


@dataclass(frozen=True)
class TargetSpec:
    """What to read as a target, and what to make of it.

    Parameters
    ----------
    paths : tuple of str
        Series, or columns of a table of intervals or events, in the file: one, or
        two for some derivations, such as `head_direction` (front first). Brackets
        pick columns of a series: ``"led1[x]"``, ``"pose[3,1]"``. Where a name in the
        file holds one of ``= : , @ ( ) [ ]``, `escaped` writes it.
    derivation : str, default ""
        One of `DERIVATIONS`; none by default.
    options : mapping of str to float
        The derivation's settings that differ from its defaults.
    kind : {"", "linear", "circular", "categorical"}
        Empty: inferred from the file.
    name : str, default ""
        Empty: the derivation, or the last part of the path.

    Examples
    --------
    >>> spec = TargetSpec.parse("run=behavior/Position/led1:speed(median=0.3, max_gap=inf)")
    >>> spec.paths, spec.options["max_gap"]
    (('behavior/Position/led1',), inf)
    >>> str(spec)
    'run=behavior/Position/led1:speed(median=0.3,max_gap=inf)'
    """

    paths: tuple[str, ...]
    derivation: str = ""
    options: Mapping[str, float] = field(default_factory=dict, hash=False)
    kind: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "paths", tuple(self.paths))
        object.__setattr__(self, "options", {k: float(v) for k, v in self.options.items()})
        if set(self.name) & _RESERVED or self.name != self.name.strip():
            raise NWBDecodeError(
                f"{self.name!r} may not hold any of = : , @ ( ) [ ] nor outer blanks"
            )
        if "/" in self.name:
            raise NWBDecodeError(f"target name {self.name!r} may not hold a '/'")
        if not self.paths or not all(path.strip("/") for path in self.paths):
            raise NWBDecodeError(f"a target needs a path; found {str(self)!r}. Write {_GRAMMAR}")
        for path in self.paths:
            split_columns(path)
        if self.kind and self.kind not in KINDS:
            raise NWBDecodeError(f"unknown kind {self.kind!r}. {suggest(self.kind, KINDS)}")
        self._check_derivation()

    def _check_derivation(self) -> None:
        if not self.derivation:
            if len(self.paths) > 1 or self.options:
                raise NWBDecodeError(
                    f"{str(self)!r} gives {len(self.paths)} paths and no derivation. "
                    f"{suggest('', DERIVATIONS)}"
                )
            return
        if self.derivation not in DERIVATIONS:
            raise NWBDecodeError(
                f"unknown derivation {self.derivation!r}. {suggest(self.derivation, DERIVATIONS)}"
            )
        made = DERIVATIONS[self.derivation]
        if len(self.paths) not in made.sources:
            counts = " or ".join(map(str, made.sources))
            raise NWBDecodeError(
                f"{self.derivation} takes {counts} path(s); "
                f"found {len(self.paths)} in {str(self)!r}"
            )
        for option, value in self.options.items():
            if option not in made.defaults:
                raise NWBDecodeError(
                    f"{self.derivation} has no option {option!r}. {suggest(option, made.defaults)}"
                )
            negative = value < 0 and option not in made.signed
            if math.isnan(value) or negative or (math.isinf(value) and option != "max_gap"):
                raise NWBDecodeError(
                    f"{option} of {self.derivation} is {value:g}; "
                    "expected zero or a positive number (only max_gap may be inf)"
                )
        if self.kind and made.kind and self.kind != made.kind:
            raise NWBDecodeError(f"{self.derivation} is {made.kind}; it cannot be {self.kind}")

    @property
    def label(self) -> str:
        """Name of the target: as given, else the derivation, else the path's last part.

        Picked columns are part of it: ``led1[x]`` is called ``led1_x``.
        """
        path, columns = split_columns(self.paths[0])
        last = path.rstrip("/").rsplit("/", 1)[-1]
        # What a name may not hold stands for itself in a path alone.
        last = re.sub(r"[=:,@()\[\]\s]+", "_", last).strip("_") if _RESERVED & set(last) else last
        made = "" if self.derivation == "window" else self.derivation
        return self.name or made or "_".join([last, *(c for c in columns if c != "*")])

    @classmethod
    def parse(cls, text: str) -> TargetSpec:
        """Read ``[NAME=]PATH[[COLUMN,...]][,PATH][:DERIVATION[(OPTION=NUMBER,...)]][@KIND]``.

        Raises
        ------
        NWBDecodeError
            If the text does not follow the grammar, or names a derivation,
            option or kind that does not exist.
        """
        found = _LINE.fullmatch(text.strip())
        if found is None:
            raise NWBDecodeError(f"cannot read the target {text!r}; expected {_GRAMMAR}")
        part = {key: value and value.strip() for key, value in found.groupdict().items()}
        for key in ("name", "derivation", "kind"):
            if part[key] == "":
                raise NWBDecodeError(f"the {key} in {text!r} is empty; expected {_GRAMMAR}")
        return cls(
            paths=tuple(path.strip() for path in _BETWEEN_PATHS.split(part["paths"] or "")),
            derivation=part["derivation"] or "",
            options=_options(part["options"] or "", text),
            kind=part["kind"] or "",
            name=part["name"] or "",
        )

    def __str__(self) -> str:
        name = f"{self.name}=" if self.name else ""
        inner = ",".join(f"{key}={_number(value)}" for key, value in self.options.items())
        derivation = f":{self.derivation}" if self.derivation else ""
        kind = f"@{self.kind}" if self.kind else ""
        return f"{name}{','.join(self.paths)}{derivation}{f'({inner})' if inner else ''}{kind}"


def split_columns(path: str) -> tuple[str, tuple[str, ...]]:
    """Take a path and the columns picked in its brackets apart.

    Raises
    ------
    NWBDecodeError
        If brackets are unbalanced or empty, or a reserved character stands in the path.

    Examples
    --------
    >>> split_columns("behavior/pose[3, 1]")
    ('behavior/pose', ('3', '1'))
    """
    found = _PATH.fullmatch(path)
    columns = () if found is None else (found["columns"] or "").split(",")
    picked = tuple(column.strip() for column in columns)
    bracketed = found is not None and found["columns"] is not None
    if found is None or found["path"] != found["path"].strip() or (bracketed and "" in picked):
        raise NWBDecodeError(
            f"{path!r} is no path: it may not hold any of = : , @ ( ) [ ] nor outer blanks, but "
            "for columns at its end, as in 'led1[x,y]'. Of a name that holds one, write it as "
            f"{', '.join(f'{code} for {one}' for code, one in _ESCAPED.items())}"
        )
    plain = _ESCAPE.sub(lambda code: _ESCAPED[code[0].upper()], found["path"])
    return plain, picked if bracketed else ()


def escaped(path: str) -> str:
    """Write a path as targets are asked for, whatever characters its names hold.

    Examples
    --------
    >>> escaped("behavior/speed (cm=s)")
    'behavior/speed %28cm%3Ds%29'
    >>> split_columns(escaped("behavior/speed (cm=s)"))
    ('behavior/speed (cm=s)', ())
    """
    # A name that reads like what is written for another stands for itself.
    path = _ESCAPE.sub(lambda code: f"%25{code[0][1:]}", path)
    return "".join(f"%{ord(one):02X}" if one in _RESERVED else one for one in path)


def _options(text: str, line: str) -> dict[str, float]:
    options: dict[str, float] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        key, _, value = item.partition("=")
        try:
            options[key.strip()] = float(value)
        except ValueError:
            raise NWBDecodeError(
                f"option {item!r} in {line!r} is no NAME=NUMBER, such as gaussian=0.2"
            ) from None
    return options


def _number(value: float) -> str:
    """Write a float so that it reads back equal."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
