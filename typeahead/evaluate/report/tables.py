"""Makes rows of tables from JSON, for the measurements and for :mod:`~typeahead.evaluate.report.page`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

#: Depths of the recall table, as in table 2 of *Extremely efficient online query encoding for dense retrieval*.
DEPTHS = (1, 5, 10, 20, 50, 100)

Row = dict[str, Any]


def metrics(
    results: Sequence[Mapping[str, Any]], missing: Sequence[Mapping[str, str]], *, baseline: str | None
) -> list[Row]:
    """A row for each encoder: its metrics, and nDCG@10 as a share of the baseline's; also one for each missing one."""
    base = next((result["metrics"]["nDCG@10"] for result in results if result["query_encoder"] == baseline), 0.0)
    rows: list[Row] = [
        {"query encoder": result["query_encoder"]}
        | {name: f"{value:.4f}" for name, value in result["metrics"].items()}
        | ({"nDCG@10 retained": percent(result["metrics"]["nDCG@10"] / base)} if base else {})
        for result in results
    ]
    return rows + [{"query encoder": f"{peer['query_encoder']} (missing: {peer['missing']})"} for peer in missing]


def against_teacher(comparison: Mapping[str, Any]) -> list[Row]:
    """A row for each metric of a comparison."""
    return [
        {
            "metric": found["measure"],
            "baseline": f"{found['teacher']:.4f}",
            "encoder": f"{found['encoder']:.4f}",
            "retained": percent(found["retained"]),
            "difference": f"{found['delta']:+.4f}",
            "p": _chance(found["p_value"]),
            "better, same, worse": f"{found['wins']}, {found['ties']}, {found['losses']}",
        }
        for found in comparison["measures"]
    ]


def recall(comparison: Mapping[str, Any]) -> list[Row]:
    """R@k of both at :data:`DEPTHS`, one row."""
    curve = comparison["recall"]
    row: Row = {"R@k relative to the baseline": comparison["encoder"]}
    for depth in DEPTHS:
        if depth in curve["k"]:
            row[f"k = {depth}"] = percent(curve["retained"][curve["k"].index(depth)])
    return [row]


def length(comparison: Mapping[str, Any]) -> list[Row]:
    """Rows on the correlation of the drop with the length of queries."""
    return [
        {
            "drop of": found["measure"],
            "length in": found["unit"],
            "Pearson": _signed(found["pearson"]),
            "p": _chance(found["pearson_p"]),
            "Spearman": _signed(found["spearman"]),
            "p of Spearman": _chance(found["spearman_p"]),
        }
        for found in comparison["correlations"]
    ]


def worst(comparison: Mapping[str, Any], *, texts: bool = True) -> list[Row]:
    """The queries that lost most; ``texts`` adds their texts, which belong to the collection."""
    return [
        {"query": found["query"], "baseline": f"{found['teacher']:.4f}", "encoder": f"{found['encoder']:.4f}"}
        | ({"text": found["text"]} if texts else {})
        for found in comparison["worst"]
    ]


def percent(share: float | None) -> str:
    """A share in percent with one decimal; "" for none."""
    return "" if share is None else f"{100 * share:.1f}%"


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.3f}"


def _chance(p_value: float | None) -> str:
    if p_value is None:
        return ""
    return f"{p_value:.4f}" if p_value >= 0.00005 else "< 0.0001"


def absent(missing: Sequence[Mapping[str, str]], skipped: Sequence[Mapping[str, str]] = ()) -> str:
    """A list of the encoders that a table lacks, and why; "" for none."""
    return "\n".join(
        [f"- {peer['query_encoder']} is missing: {peer['missing']}" for peer in missing]
        + [f"- {peer['query_encoder']} is left out: {peer['skipped']}" for peer in skipped]
    )
