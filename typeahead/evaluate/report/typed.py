"""Tables and curves of ``typeahead evaluate typed``: one row and one line for each box."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from typeahead.evaluate.report.plots import as_svg, grid, look, plain, points
from typeahead.evaluate.report.tables import percent
from typeahead.tables import markdown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Record = Mapping[str, Any]
Row = dict[str, Any]


def drawn(record: Record) -> str:
    """How many queries of each kind were typed."""
    return ", ".join(f"{count:,} {kind}" for kind, count in record["drawn"].items())


def blocks(record: Record) -> list[str]:
    """Each table below a line that says what it shows; tables of what was not typed are left out."""
    boxes = record["boxes"]
    found = [
        "**Names**: the whole title, and its beginnings at the key. First, or among the first eight.",
        markdown([_names(box) for box in boxes]),
        "**Slips**: a title with one mistake. Among the first eight at the key, and first at Enter.",
        markdown([_slips(box) for box in boxes]),
        "**Rare words, continuity, nonsense**: a word of one document; the three hits at the key are all gone after "
        "Enter; something is shown for random consonants.",
        markdown([_others(box) for box in boxes]),
    ]
    if any(box["judged"] for box in boxes):
        found += [
            "**Judged queries**, typed to a share of their characters, and after Enter.",
            markdown([row for box in boxes for row in _judged(box)]),
        ]
    if any(box["times_ms"]["key"] for box in boxes):
        found += [
            "**Times** in milliseconds: one client, one text at a time.",
            markdown([_times(box) for box in boxes]),
        ]
    return [*found, _settings(boxes)]


def _settings(boxes: Sequence[Record]) -> str:
    """A line for each box: how it is set, and its version."""
    lines = []
    for box in boxes:
        facts = ", ".join(f"{name} {value}" for name, value in box["facts"].items() if value != "")
        lines.append(f"- {box['box']}: {facts}")
    return "\n".join(lines)


def _names(box: Record) -> Row:
    names = box["names"]
    return {
        "box": box["box"],
        "first at the key": percent(names["first_at_key"]),
        "first at Enter": percent(names["first_at_enter"]),
    } | {f"{share}%: among 8": percent(value) for share, value in names["among_8_by_share"].items()}


def _slips(box: Record) -> Row:
    row: Row = {"box": box["box"]}
    for family, found in box["slips"].items():
        row[f"{family}: among 8"] = percent(found["among_8_at_key"])
        row[f"{family}: first"] = percent(found["first_at_enter"])
    return row


def _others(box: Record) -> Row:
    rare, nonsense = box["rare_words"], box["nonsense"]
    return {
        "box": box["box"],
        "rare word: first at Enter": percent(rare["first_at_enter"]),
        "rare word: among 8 at the key": percent(rare["among_8_at_key"]),
        "place lost at Enter": percent(box["continuity"]["lost"]),
        "place lost, first three": percent(box["continuity"]["lost_among_first_three"]),
        "nonsense shown at the key": percent(nonsense["shown_at_key"]),
        "nonsense shown at Enter": percent(nonsense["shown_at_enter"]),
    }


def _judged(box: Record) -> list[Row]:
    judged = box["judged"]
    if not judged:
        return []
    weak = percent(judged["found_but_weak"])
    return [
        {"box": box["box"], "measure": measure}
        | {point if point == "Enter" else f"{point}%": f"{value:.4f}" for point, value in judged[measure].items()}
        | {"relevant but weak": weak}
        for measure in ("nDCG@10", "RR@10")
    ]


def _times(box: Record) -> Row:
    row: Row = {"box": box["box"]}
    for moment in ("key", "enter"):
        found = box["times_ms"][moment] or {}
        row |= {f"{moment} {name}": found.get(name) for name in ("p50", "p99")}
    return row


def curves(record: Record) -> str:
    """Draw names by share typed, slips by family, and judged queries by share typed if there are any, as SVG.

    Raises :class:`~typeahead.errors.MissingExtra` without matplotlib, and :class:`~typeahead.errors.SourceError` for a
    dictionary that holds no such figures.
    """
    return as_svg(_draw, record, (10, 3.8), "record of typed queries")


def _draw(figure: Figure, record: Record) -> None:
    boxes = record["boxes"]
    judged = [box for box in boxes if box["judged"]]
    panels = figure.subplots(1, 3 if judged else 2)
    _lines(panels[0], boxes, [box["names"]["among_8_by_share"] for box in boxes], 100)
    grid(panels[0], "name among the first eight (%)", "typed (%)")
    _by_family(panels[1], boxes)
    if judged:
        places = [at for at, box in enumerate(boxes) if box["judged"]]
        _lines(panels[2], judged, [box["judged"]["nDCG@10"] for box in judged], 1, places)
        grid(panels[2], "nDCG@10 of judged queries", "typed (%), then Enter")
    figure.suptitle(plain(f"{record['collection']}: {record['documents']} documents"))
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(max(len(labels), 1), 4), frameon=False)


def _lines(
    axes: Axes,
    boxes: Sequence[Record],
    values: Sequence[Mapping[str, float | None]],
    scale: float,
    places: Sequence[int] | None = None,
) -> None:
    for at, (box, curve) in enumerate(zip(boxes, values, strict=True)):
        heights = [scale * value for value in points(list(curve.values()))]
        axes.plot(list(curve), heights, label=plain(box["box"]), **look(places[at] if places else at))


def _by_family(axes: Axes, boxes: Sequence[Record]) -> None:
    for at, box in enumerate(boxes):
        slips = box["slips"]
        shares = points([found["among_8_at_key"] for found in slips.values()])
        # Families have no order: their points are not joined.
        axes.plot(list(slips), [100 * share for share in shares], **look(at) | {"linestyle": ""})
    grid(axes, "name with a slip among the first eight (%)", "")
