"""Curves of the prefix benchmark and of recall as SVG; the same figures give the same bytes.

The input is a dictionary of :meth:`~typeahead.evaluate.report.prefix_report.PrefixReport.to_dict` or of
:class:`~typeahead.evaluate.measures.comparison.RecallCurve`, also after a way through JSON; nothing is computed here.
The colours are those of Okabe and Ito (*Color Universal Design*, 2008): people with any common kind of colour blindness
can distinguish them. Each system also has its own marker and dash pattern.
"""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typeahead.errors import MissingExtra, SourceError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = ("#0072B2", "#000000", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_MARKERS = "os^DvPX"
_DASHES = ("-", "--", "-.", ":")
#: Text stays text, so files are small and searchable. The salt makes ids the same in each run.
_STYLE = {"svg.fonttype": "none", "svg.hashsalt": "typeahead", "font.size": 9, "font.family": ["DejaVu Sans"]}


def prefix_curves(report: Mapping[str, Any]) -> str:
    """Draw quality by fraction typed with its intervals, quality by characters left, and churn, as SVG.

    Raises :class:`~typeahead.errors.MissingExtra` without matplotlib, and :class:`~typeahead.errors.SourceError` for a
    dictionary that is no such report.
    """
    return as_svg(_draw_prefixes, report, (10, 3.8), "report of the prefix benchmark")


def recall_curves(curves: Mapping[str, Mapping[str, Any]], dataset: str) -> str:
    """Draw R@k relative to the teacher by k as SVG: a :class:`~.comparison.RecallCurve` for each encoder.

    Raises what :func:`prefix_curves` raises.
    """
    return as_svg(_draw_recall, {"curves": curves, "dataset": dataset}, (6, 3.6), "curve of recall")


def as_svg(
    draw: Callable[[Figure, Mapping[str, Any]], None], figures: Mapping[str, Any], size: tuple[float, float], what: str
) -> str:
    """What ``draw`` puts on a figure of ``size`` inches, as SVG.

    ``what`` names the figures in the error for a dictionary that lacks some. Raises what :func:`prefix_curves` raises.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("matplotlib", "evaluate") from error
    try:
        with mpl.rc_context(_STYLE), warnings.catch_warnings():
            # matplotlib's font may lack a glyph. The text stays text, and the viewer has a font for it.
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            figure = Figure(figsize=size, layout="constrained")
            draw(figure, figures)
            out = io.StringIO()
            figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    except (KeyError, TypeError, IndexError) as error:
        raise SourceError(f"not a {what}: {error!r}") from error
    # Linters complain of lines that end in blanks.
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def _draw_prefixes(figure: Figure, report: Mapping[str, Any]) -> None:
    by_fraction, by_left, churn = figure.subplots(1, 3, width_ratios=[4, 4, 2])
    _by_fraction(by_fraction, report)
    _by_characters_left(by_left, report)
    _churn(churn, report["systems"])
    figure.suptitle(plain(f"{report['dataset']}: {report['queries']} queries, typed character by character"))
    handles, labels = by_fraction.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 4), frameon=False)


def _draw_recall(figure: Figure, figures: Mapping[str, Any]) -> None:
    axes = figure.subplots()
    for place, (label, curve) in enumerate(figures["curves"].items()):
        percent = [100 * value for value in points(curve["retained"])]
        axes.plot(curve["k"], percent, label=plain(label), **look(place) | {"markevery": 10})
    axes.axhline(100, color="#888888", linewidth=0.8)
    axes.set_title(plain(f"{figures['dataset']}: R@k relative to the teacher (%)"), fontsize=9)
    axes.set_xlabel("k")
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)


def write_prefix_curves(report: Mapping[str, Any], path: Path) -> None:
    """Write :func:`prefix_curves` to ``path``; its folder is made if it is missing."""
    svg = prefix_curves(report)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(svg, encoding="utf-8")


def plain(text: str) -> str:
    """``text`` without what matplotlib would read as a formula, or as a name to keep out of the legend."""
    escaped = text.replace("$", r"\$")
    return f" {escaped}" if escaped.startswith("_") else escaped


def look(place: int) -> dict[str, Any]:
    """Colour, marker and dashes of the system at ``place`` in its table."""
    return {
        "color": _COLOURS[place % len(_COLOURS)],
        "marker": _MARKERS[place % len(_MARKERS)],
        "linestyle": _DASHES[place % len(_DASHES)],
        "linewidth": 1.5,
        "markersize": 4,
    }


def points(values: Sequence[float | None]) -> list[float]:
    """Values for matplotlib, which leaves a gap where there is none."""
    return [float("nan") if value is None else value for value in values]


def grid(axes: Axes, title: str, label: str) -> None:
    """Set the title, the label of the horizontal axis and the common look of a panel that starts at 0."""
    axes.set_title(title, fontsize=9)
    axes.set_xlabel(label)
    axes.set_ylim(bottom=0)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def _by_fraction(axes: Axes, report: Mapping[str, Any]) -> None:
    percent = [100 * fraction for fraction in report["fractions"]]
    for place, system in enumerate(report["systems"]):
        quality = system["nDCG@10"]
        low, high = zip(*quality["interval_by_fraction"], strict=True)
        colour = look(place)["color"]
        axes.fill_between(percent, points(low), points(high), color=colour, alpha=0.1, linewidth=0)
        axes.plot(percent, points(quality["by_fraction"]), label=plain(system["typist"]), **look(place))
    grid(axes, "nDCG@10 of what is visible (95% interval)", "typed (%)")


def _by_characters_left(axes: Axes, report: Mapping[str, Any]) -> None:
    for place, system in enumerate(report["systems"]):
        axes.plot(report["characters_left"], points(system["nDCG@10"]["by_characters_left"]), **look(place))
    axes.invert_xaxis()
    axes.set_xticks(report["characters_left"][::5])
    grid(axes, "nDCG@10 of what is visible", "characters left")


def _churn(axes: Axes, systems: Sequence[Mapping[str, Any]]) -> None:
    for place, system in enumerate(systems):
        churn = system["churn"]["mean"]
        axes.barh(place, float("nan") if churn is None else 100 * churn, color=look(place)["color"], height=0.6)
    labels = [plain("\n".join(textwrap.wrap(system["typist"], 18, break_on_hyphens=False))) for system in systems]
    axes.set_yticks(range(len(systems)), labels, fontsize=8)
    axes.invert_yaxis()
    axes.set_title("churn a key", fontsize=9)
    axes.set_xlabel("results replaced (%)")
    axes.set_xlim(left=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
