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
    return _svg(_draw_prefixes, report, (10, 3.8), "report of the prefix benchmark")


def recall_curves(curves: Mapping[str, Mapping[str, Any]], dataset: str) -> str:
    """Draw R@k relative to the teacher by k as SVG: a :class:`~.comparison.RecallCurve` for each encoder.

    Raises what :func:`prefix_curves` raises.
    """
    return _svg(_draw_recall, {"curves": curves, "dataset": dataset}, (6, 3.6), "curve of recall")


def _svg(
    draw: Callable[[Figure, Mapping[str, Any]], None], figures: Mapping[str, Any], size: tuple[float, float], what: str
) -> str:
    """What ``draw`` puts on a figure of ``size`` inches, as SVG."""
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
    figure.suptitle(_plain(f"{report['dataset']}: {report['queries']} queries, typed character by character"))
    handles, labels = by_fraction.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 4), frameon=False)


def _draw_recall(figure: Figure, figures: Mapping[str, Any]) -> None:
    axes = figure.subplots()
    for place, (label, curve) in enumerate(figures["curves"].items()):
        percent = [100 * value for value in _points(curve["retained"])]
        look = _look(place) | {"markevery": 10}
        axes.plot(curve["k"], percent, label=_plain(label), **look)
    axes.axhline(100, color="#888888", linewidth=0.8)
    axes.set_title(_plain(f"{figures['dataset']}: R@k relative to the teacher (%)"), fontsize=9)
    axes.set_xlabel("k")
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)


def write_prefix_curves(report: Mapping[str, Any], path: Path) -> None:
    """Write :func:`prefix_curves` to ``path``; its folder is made if it is missing."""
    svg = prefix_curves(report)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(svg, encoding="utf-8")


def _plain(text: str) -> str:
    """``text`` without what matplotlib would read as a formula, or as a name to keep out of the legend."""
    plain = text.replace("$", r"\$")
    return f" {plain}" if plain.startswith("_") else plain


def _look(place: int) -> dict[str, Any]:
    return {
        "color": _COLOURS[place % len(_COLOURS)],
        "marker": _MARKERS[place % len(_MARKERS)],
        "linestyle": _DASHES[place % len(_DASHES)],
        "linewidth": 1.5,
        "markersize": 4,
    }


def _points(values: Sequence[float | None]) -> list[float]:
    return [float("nan") if value is None else value for value in values]


def _grid(axes: Axes, title: str, label: str) -> None:
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
        colour = _look(place)["color"]
        axes.fill_between(percent, _points(low), _points(high), color=colour, alpha=0.1, linewidth=0)
        axes.plot(percent, _points(quality["by_fraction"]), label=_plain(system["typist"]), **_look(place))
    _grid(axes, "nDCG@10 of what is visible (95% interval)", "typed (%)")


def _by_characters_left(axes: Axes, report: Mapping[str, Any]) -> None:
    for place, system in enumerate(report["systems"]):
        axes.plot(report["characters_left"], _points(system["nDCG@10"]["by_characters_left"]), **_look(place))
    axes.invert_xaxis()
    axes.set_xticks(report["characters_left"][::5])
    _grid(axes, "nDCG@10 of what is visible", "characters left")


def _churn(axes: Axes, systems: Sequence[Mapping[str, Any]]) -> None:
    for place, system in enumerate(systems):
        churn = system["churn"]["mean"]
        axes.barh(place, float("nan") if churn is None else 100 * churn, color=_look(place)["color"], height=0.6)
    labels = [_plain("\n".join(textwrap.wrap(system["typist"], 18, break_on_hyphens=False))) for system in systems]
    axes.set_yticks(range(len(systems)), labels, fontsize=8)
    axes.invert_yaxis()
    axes.set_title("churn a key", fontsize=9)
    axes.set_xlabel("results replaced (%)")
    axes.set_xlim(left=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
