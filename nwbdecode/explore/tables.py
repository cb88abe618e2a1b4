"""Scores, facts and settings as plain HTML; every name from a file is escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from nwbdecode.decoding import METRICS, Decoding
from nwbdecode.explore import style
from nwbdecode.explore.thinning import bin_width
from nwbdecode.explore.traces import fold_of_bins

#: Stands where there is no value.
DASH = "\N{EN DASH}"
_WITHIN = " \N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK} "


def escaped(value: object) -> str:
    """Text as HTML that shows it and does nothing."""
    return html.escape(str(value), quote=True)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: int = 10**6) -> str:
    """Make a table of cells that are already HTML; columns from `numbers` on align right."""
    first = "".join(
        f'<th scope="col"{_aligned(i, numbers)}>{cell}</th>' for i, cell in enumerate(head)
    )
    body = "".join(
        "<tr>" + "".join(f"<td{_aligned(i, numbers)}>{c}</td>" for i, c in enumerate(row)) + "</tr>"
        for row in rows
    )
    return (
        f'<div class="nd-wide"><table class="nd-table"><thead><tr>{first}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _aligned(column: int, numbers: int) -> str:
    return ' class="nd-number"' if column >= numbers else ""


def number(value: float, digits: int = 3) -> str:
    r"""Write a number for reading; a dash where there is none.

    Examples
    --------
    >>> number(0.74321), ascii(number(float("nan")))
    ('0.743', "'\\u2013'")
    """
    return f"{value:.{digits}f}" if np.isfinite(value) else DASH


def score_table(decoding: Decoding) -> str:
    """Scores of every target and metric: network, interval, baselines, chance, p value."""
    scores = decoding.scores
    if "value" not in scores or not scores.sizes.get("decoder"):
        return "<p>This result holds no scores.</p>"
    decoders = [str(name) for name in scores["decoder"].to_numpy()]
    main = "cnn" if "cnn" in decoders else decoders[0]
    others = [name for name in decoders if name != main]
    head = ["Target", "Metric", escaped(style.decoder_name(main).capitalize()), "95 % interval"]
    head += [escaped(style.decoder_name(name).capitalize()) for name in others]
    head += ["Chance, 95 % point", "p", "Bins"]
    rows = [
        row
        for target in decoding.targets
        if target in scores["target"].to_numpy()
        for metric in METRICS[decoding.kind(target)]
        if metric in scores["metric"].to_numpy()
        and (row := _score_row(decoding, target, metric, main, others))
    ]
    return table(head, rows, numbers=2)


def _score_row(
    decoding: Decoding, target: str, metric: str, main: str, others: list[str]
) -> list[str]:
    cell = decoding.scores.sel(target=target, metric=metric)
    one = {name: float(cell[name].sel(decoder=main)) for name in ("value", "low", "high")}
    if not np.isfinite(one["value"]):
        return []
    chance, p = (float(cell[name].sel(decoder=main)) for name in ("chance", "p_value"))
    above = one["value"] > chance
    better = above if METRICS[decoding.kind(target)][metric] else one["value"] < chance
    verdict = "" if better or not np.isfinite(chance) else "<br><em>not better than chance</em>"
    bins = int(decoding.scores["bins"].sel(target=target)) if "bins" in decoding.scores else None
    return [
        escaped(target),
        escaped(style.metric_name(decoding, target, metric)),
        f"<b>{number(one['value'])}</b>",
        f"{number(one['low'])} to {number(one['high'])}",
        *(number(float(cell["value"].sel(decoder=name))) for name in others),
        number(chance) + verdict,
        _p_value(p),
        DASH if bins is None else f"{bins:,}",
    ]


def _p_value(p: float) -> str:
    return DASH if not np.isfinite(p) else (f"{p:.3f}" if p >= 0.001 else "&lt; 0.001")


def headline(decoding: Decoding) -> str:
    """One sentence: what was decoded, from what, in which session."""
    signal = decoding.source.get("signal", {})
    names = [f"<b>{escaped(name)}</b>" for name in decoding.targets]
    what = (
        ", ".join(names[:-1]) + (" and " if names[1:] else "") + names[-1] if names else "nothing"
    )
    origin = escaped(signal.get("path") or "an array in memory")
    session = decoding.source.get("identifier")
    where = f" of session <b>{escaped(session)}</b>" if session else ""
    return f"{what} decoded from <code>{origin}</code>{where}"


def facts(decoding: Decoding) -> list[tuple[str, str]]:
    """What a reader must know to weigh the scores, as (name, HTML) pairs."""
    source, signal = decoding.source, decoding.source.get("signal", {})
    found = [("Session", _listed(source, "identifier", "session_description", "file_name"))]
    found.append(("Recorded", escaped(source.get("session_start_time") or "")))
    found.append(
        ("Subject", _listed(source.get("subject") or {}, "subject_id", "species", "sex", "age"))
    )
    channels = decoding.channels.sizes.get("channel", 0)
    rate = f", {signal['rate']:.10g} Hz" if signal.get("rate") else ""
    kind = f"{escaped(signal['neurodata_type'])}, " if signal.get("neurodata_type") else ""
    found.append(("Signal", f"{kind}{channels} channel{'s' * (channels != 1)}{rate}"))
    found.append(("Data", _amount(decoding)))
    found.append(("Folds", _folds(decoding)))
    return [(name, value) for name, value in found if value]


def _listed(values: Mapping[str, Any], *keys: str) -> str:
    return ", ".join(escaped(values[key]) for key in keys if values.get(key))


def _amount(decoding: Decoding) -> str:
    time = decoding.time
    if not len(time):
        return "no bins"
    width = bin_width(time)
    fold = fold_of_bins(decoding)
    text = f"{len(time):,} bins of {1000 * width:.4g} ms ({len(time) * width / 60:.1f} min)"
    if fold is not None:
        text += f", {np.mean(fold >= 0):.1%} with a prediction"
    return text


def _folds(decoding: Decoding) -> str:
    folds = decoding.folds
    count = folds.sizes.get("fold", 0)
    if not count:
        return ""
    text = f"{count} contiguous block{'s' if count > 1 else ''}"
    if "gap" in folds:
        text += f", {float(folds['gap'].max()):.3g} s left out between training and test"
    if "train_bins" in folds:
        text += f"; {int(folds['train_bins'].min()):,} or more bins to train each decoder"
    return text


def target_table(decoding: Decoding) -> str:
    """Kind, unit, origin and share missing of each target."""
    rows = []
    for name in decoding.targets:
        attrs = decoding.predictions[name].attrs
        truth = decoding.truth[name].to_numpy()
        missing = float(np.mean(~np.isfinite(truth))) if truth.size else 0.0
        unit = style.short_unit(attrs.get("units", ""))
        origin = f"<code>{escaped(attrs['path'])}</code>" if attrs.get("path") else DASH
        rows.append(
            [
                escaped(name),
                escaped(attrs["kind"]),
                escaped(unit) or DASH,
                origin,
                escaped(attrs.get("derivation") or DASH),
                f"{missing:.1%}",
            ]
        )
    return table(["Target", "Kind", "Unit", "From", "Derived as", "Missing"], rows, numbers=5)


def settings(values: Mapping[str, Any]) -> str:
    """Nested settings as a two-column table, one row a value."""
    rows = [
        [_WITHIN.join(escaped(part) for part in path), escaped(_written(value))]
        for path, value in _flat(values)
    ]
    return table(["Setting", "Value"], rows) if rows else "<p>None were recorded.</p>"


def _flat(values: Any, path: tuple[str, ...] = ()) -> Iterable[tuple[tuple[str, ...], Any]]:
    if isinstance(values, Mapping) and values:
        for key, value in values.items():
            yield from _flat(value, (*path, str(key)))
    elif isinstance(values, list) and values and all(isinstance(v, Mapping) for v in values):
        for place, value in enumerate(values, start=1):
            yield from _flat(value, (*path, str(place)))
    else:
        yield path, values


def _written(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (list, tuple)):
        shown = [_written(one) for one in value]
        if len(shown) > 12:
            shown = [*shown[:4], "…", *shown[-2:], f"({len(value)} values)"]
        return ", ".join(shown) or "none"
    return "none" if value == {} else str(value) or DASH
