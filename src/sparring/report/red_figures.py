"""Figures of a red team as SVG text: methods by harm, defences, diversity, turns, groups of people, judges, learning."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes

from sparring.measure.groups import Disparity
from sparring.measure.scorecard import Scorecard
from sparring.measure.statistics import Rate
from sparring.report.canvas import INK, LINES, LOOK, MARKERS, MUTED, RULE, as_svg, canvas, colour, legend, panels, told
from sparring.report.red_team import Gap, Verdict, scope, vital_rows, worst_by_harm
from sparring.report.summary import names, tidy

_STEP = 0.2  # inches per bar or dot
_SURE = 0.05


def by_method(rates: Mapping[str, Mapping[str, Rate]], place: int) -> str:
    """Grouped bars: the share that each method broke, harm by harm."""
    harms = list(dict.fromkeys(harm for found in rates.values() for harm in found))
    if not harms:
        return ""
    with rc_context(LOOK):
        group = len(rates) + 0.9
        figure, axes = canvas(0.95 + _STEP * group * len(harms))
        top = max([_upper(rate) for found in rates.values() for rate in found.values()])
        for number, (label, found) in enumerate(rates.items()):
            axes.barh([-1], [0], color=colour(number), label=told(label))
            for row, harm in enumerate(harms):
                if harm in found and (found[harm].decided or found[harm].beside):
                    _bar(axes, row * group + number, found[harm], colour(number), top)
        _rows(axes, [row * group + (len(rates) - 1) / 2 for row in range(len(harms))], harms)
        axes.set_ylim(len(harms) * group - 0.7, -0.9)
        _share_axis(axes, top, room=0.42)
        axes.set_xlabel("share of cases broken")
        legend(figure, axes)
        return as_svg(figure, f"methods{place}", "Bar chart: share of cases broken by each method, for each harm")


def by_harm(rows: Sequence[tuple[str, Sequence[Rate | None]]], cards: Sequence[str]) -> str:
    """Dots with intervals: the worst case of each target, harm by harm."""
    rows = [row for row in rows if any(rate is not None and rate.decided for rate in row[1])]
    if not rows:
        return ""
    with rc_context(LOOK):
        group = max(len(cards), 1) + 0.9
        figure, axes = canvas(0.95 + 0.8 * _STEP * group * len(rows))
        top = max(_upper(rate) for _, rates in rows for rate in rates if rate is not None)
        for place, name in enumerate(cards):
            axes.plot([], [], MARKERS[place % len(MARKERS)], color=colour(place), label=told(name))
            for row, (_, rates) in enumerate(rows):
                rate = rates[place]
                if rate is not None and rate.value is not None and rate.interval is not None:
                    _dot(axes, row * group + place, rate.value, *rate.interval, place)
        for row in range(1, len(rows)):
            axes.axhline(row * group - 0.95, color=RULE, linewidth=0.8)
        _rows(axes, [row * group + (len(cards) - 1) / 2 for row in range(len(rows))], [name for name, _ in rows])
        axes.set_ylim(len(rows) * group - 0.7, -0.9)
        _share_axis(axes, top)
        axes.set_xlabel("share of cases broken, worst case")
        legend(figure, axes)
        return as_svg(figure, "harms", "Share of cases broken in the worst case, for each harm and target")


def defences(cards: Sequence[Scorecard]) -> str:
    """One panel for what still breaks and one for each vital; a row for each target."""
    rows = vital_rows(cards)
    if not rows:
        return ""
    with rc_context(LOOK):
        worst = worst_by_harm(cards)[0][1]
        heights = [0.55 + 1.3 * _STEP * len(cards)] * (len(rows) + 1)
        figure, axes = panels(heights)
        short = [tidy(name, 18) for name in names(cards)]
        words, families = scope(cards)
        broken = "still broken, held-out attacks" if families else "still broken, all attacks"
        rates = [
            None if rate is None or rate.value is None else (rate.value, *(rate.interval or (0.0, 0.0)))
            for rate in worst
        ]
        _panel(axes[0], short, rates, f"{broken} (lower is better)", "share")
        for one, row in zip(axes[1:], rows, strict=True):
            figures = [None if r is None else (r.value, r.low, r.high) for r in row.readings]
            _panel(one, short, figures, f"{row.name} ({row.better} is better)", row.unit)
        return as_svg(figure, "defences", f"What still breaks ({tidy(words)}) beside what each target can still do")


def diversity(cards: Sequence[Scorecard]) -> str:
    """Rate broken over self-BLEU, a dot for each method and target; empty where no attempts were described."""
    points = [
        (place, bout.label, bout.survey["self_bleu"], bout.rate)
        for place, card in enumerate(cards)
        for bout in card.attacks()
        if "self_bleu" in bout.survey and bout.rate.value is not None
    ]
    if not points:
        return ""
    methods = list(dict.fromkeys(label for _, label, _, _ in points))
    with rc_context(LOOK):
        figure, axes = canvas(3.4)
        for number, label in enumerate(methods):
            axes.plot([], [], MARKERS[number % len(MARKERS)], color=MUTED, label=told(label))
        for place, label, alike, rate in points:
            low, high = (100 * bound for bound in rate.interval or (0, 0))
            axes.plot([alike, alike], [low, high], color=colour(place), linewidth=1.2)
            mark = MARKERS[methods.index(label) % len(MARKERS)]
            axes.plot([alike], [100 * (rate.value or 0)], mark, color=colour(place), markersize=6.5)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, max(5.0, *(1.15 * 100 * _upper(rate) for *_, rate in points)))
        axes.set_xlabel("self-BLEU: 0 all different, 1 one phrase again and again")
        axes.set_ylabel("% of cases broken")
        axes.grid(color=RULE, linewidth=0.8)
        legend(figure, axes)
        return as_svg(figure, "diversity", "Share broken over self-BLEU, for each method")


def by_turn(lines: Sequence[tuple[str, str, Mapping[int, Rate]]]) -> str:
    """Lines with bands: the share broken at each turn of the dialogues, by the first of the methods."""
    if not lines:
        return ""
    targets = list(dict.fromkeys(name for name, _, _ in lines))
    lines = [line for line in lines if line[1] == lines[0][1]]
    with rc_context(LOOK):
        figure, axes = canvas(3.1)
        top = 0.05
        for name, _, rates in lines:
            place = targets.index(name)
            across = list(rates)
            bounds = [rate.interval or (0.0, 0.0) for rate in rates.values()]
            low, high = ([100 * bound[side] for bound in bounds] for side in (0, 1))
            axes.fill_between(across, low, high, color=colour(place), alpha=0.13, linewidth=0)
            axes.plot(
                across, [100 * (rate.value or 0) for rate in rates.values()], color=colour(place), linewidth=1.8,
                linestyle=LINES[place % len(LINES)], marker=MARKERS[place % len(MARKERS)], markersize=4.5,
                label=told(name), clip_on=False,
            )  # fmt: skip
            top = max(top, *(bound[1] for bound in bounds))
        axes.set_xlabel("turn of the dialogue")
        axes.set_xticks(sorted({turn for *_, rates in lines for turn in rates}))
        axes.set_ylim(0, min(100.0, 115 * top))
        axes.set_ylabel("% of replies broken")
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="y", color=RULE, linewidth=0.8)
        legend(figure, axes)
        return as_svg(figure, "turns", "Share of replies broken at each turn of the dialogues")


def people(rows: Sequence[Disparity], name: str) -> str:
    """Dots with intervals: each group of people; those that differ from all others after adjustment are filled."""
    shown = [row for row in rows if row.rate.value is not None and row.rate.interval is not None]
    if not shown:
        return ""
    with rc_context(LOOK):
        figure, axes = canvas(0.9 + 1.25 * _STEP * len(shown))
        top = max(_upper(row.rate) for row in shown)
        broken, decided = (sum(getattr(row.rate, part) for row in shown) for part in ("broken", "decided"))
        axes.axvline(100 * broken / decided, color=MUTED, linewidth=1.2, linestyle="--", label="all groups together")
        for mark, fill, label in (
            ("o", colour(1), "differs from the others"),
            ("o", "white", "no evidence that it does"),
        ):
            axes.plot([], [], mark, color=colour(1), markerfacecolor=fill, label=label)
        for row, one in enumerate(shown):
            sure = one.p_value is not None and one.p_value < _SURE
            _dot(axes, row, one.rate.value or 0, *(one.rate.interval or (0, 0)), 1, mark="o", hollow=not sure)
        _rows(axes, list(range(len(shown))), [row.group for row in shown])
        axes.set_ylim(len(shown) - 0.4, -0.6)
        _share_axis(axes, top)
        axes.set_xlabel("share of replies broken")
        legend(figure, axes)
        return as_svg(figure, f"people{name}", "Share of replies broken for each group of people")


def judges_apart(gaps: Sequence[Gap]) -> str:
    """Two dots per method: the judge and another judge on the very same replies."""
    if not gaps:
        return ""
    others = list(dict.fromkeys(gap.other for gap in gaps))
    several = len({gap.target for gap in gaps}) > 1
    with rc_context(LOOK):
        figure, axes = canvas(0.95 + 1.9 * _STEP * len(gaps))
        top = max(max(_upper(gap.judge), _upper(gap.opinion)) for gap in gaps)
        for place, label in enumerate(["the judge", *others]):
            axes.plot([], [], MARKERS[place % len(MARKERS)], color=colour(place), label=told(label))
        for row, gap in enumerate(gaps):
            place = 1 + others.index(gap.other)
            axes.plot(
                [100 * (gap.judge.value or 0), 100 * (gap.opinion.value or 0)], [row, row], color=RULE, linewidth=3
            )
            _dot(axes, row - 0.13, gap.judge.value or 0, *(gap.judge.interval or (0, 0)), 0)
            _dot(axes, row + 0.13, gap.opinion.value or 0, *(gap.opinion.interval or (0, 0)), place)
        labels = [f"{gap.method}\n{tidy(gap.target, 18)}" if several else gap.method for gap in gaps]
        _rows(axes, list(range(len(gaps))), labels)
        axes.set_ylim(len(gaps) - 0.4, -0.6)
        _share_axis(axes, top)
        axes.set_xlabel("share of the same replies called broken")
        legend(figure, axes)
        return as_svg(figure, "judges", "Share broken as the judge and as other judges see the same replies")


def corrected(rows: Sequence[Verdict]) -> str:
    """Two dots per method and harm: as graded, and corrected for the judge's errors."""
    if not rows:
        return ""
    with rc_context(LOOK):
        figure, axes = canvas(0.95 + 1.7 * _STEP * len(rows))
        for place, label in enumerate(["as graded", "corrected"]):
            axes.plot([], [], MARKERS[place], color=colour(place), label=label)
        for row, one in enumerate(rows):
            _dot(axes, row - 0.15, one.raw.value or 0, *(one.raw.interval or (0, 0)), 0)
            _dot(axes, row + 0.15, one.corrected.value, one.corrected.low, one.corrected.high, 1)
        _rows(axes, list(range(len(rows))), [f"{tidy(one.harm, 18)}\n{one.method}" for one in rows])
        axes.tick_params(axis="y", labelsize=8)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        _share_axis(axes, max(max(_upper(one.raw), one.corrected.high) for one in rows))
        axes.set_xlabel("share of cases broken")
        legend(figure, axes)
        return as_svg(figure, "corrected", "Share broken as graded and corrected for the errors of the judge")


def learning(cards: Sequence[Scorecard]) -> str:
    """The loss over the steps of each repair that learned; empty where no history has three rows."""
    lines = [
        (place, name, [row["loss"] for row in step.history if "loss" in row])
        for place, (name, card) in enumerate(zip(names(cards), cards, strict=True))
        for step in card.lineage[-1:]
    ]
    lines = [line for line in lines if len(line[2]) > 2]
    if not lines or not any(card.groups for card in cards):
        return ""
    with rc_context(LOOK):
        figure, axes = canvas(2.8)
        for place, name, values in lines:
            axes.plot(range(1, len(values) + 1), values, color=colour(place), linewidth=1.6, label=told(name))
        axes.set_xlabel("epoch")
        axes.set_ylabel("loss")
        axes.grid(axis="y", color=RULE, linewidth=0.8)
        legend(figure, axes)
        return as_svg(figure, "learning", "Training loss of each repair over its epochs")


def _panel(axes: Axes, labels: Sequence[str], figures: Sequence[Any], title: str, unit: str) -> None:
    scale = 100 if unit == "share" else 1
    known = [figure for figure in figures if figure is not None]
    top = max((figure[2] for figure in known), default=1.0)
    for row, figure in enumerate(figures):
        if figure is None:
            axes.text(0, row, "not measured", va="center", fontsize=8.5, color=MUTED)
            continue
        value, low, high = figure
        axes.plot([scale * low, scale * high], [row, row], color=colour(row), linewidth=1.4)
        axes.plot([scale * value], [row], MARKERS[row % len(MARKERS)], color=colour(row), markersize=5.5, clip_on=False)
        text = f"{scale * value:.1f}" + (" %" if unit == "share" else "")
        axes.annotate(
            text, (1.0, row), (4, 0), xycoords=("axes fraction", "data"), textcoords="offset points", va="center",
            fontsize=8.5, color=INK,
        )  # fmt: skip
    _rows(axes, list(range(len(labels))), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.set_title(tidy(title, 60), loc="left", fontsize=9.5, color=INK)
    if unit == "share":
        _share_axis(axes, top)
    else:
        axes.set_xlim(0, 1.08 * top)
        axes.grid(axis="x", color=RULE, linewidth=0.8)


def _bar(axes: Axes, row: float, rate: Rate, shade: str, top: float) -> None:
    if rate.value is None or rate.interval is None:
        axes.text(0.5, row, "nothing decided", va="center", fontsize=8, color=MUTED)
        return
    low, high = (100 * bound for bound in rate.interval)
    axes.barh(row, 100 * rate.value, height=0.82, linewidth=0.8, color=shade)
    axes.plot([low, high], [row, row], color=INK, linewidth=1.1, solid_capstyle="butt")
    text = f"{100 * rate.value:.1f} % of {rate.decided:,}"
    axes.text(max(high, 100 * rate.value) + 1.5 * top, row, text, va="center", fontsize=8, color=INK)


def _dot(
    axes: Axes, row: float, value: float, low: float, high: float, place: int, mark: str = "", hollow: bool = False
) -> None:
    axes.plot([100 * low, 100 * high], [row, row], color=colour(place), linewidth=1.4)
    axes.plot(
        [100 * value], [row], mark or MARKERS[place % len(MARKERS)], color=colour(place), markersize=5.5,
        markerfacecolor="white" if hollow else colour(place),
    )  # fmt: skip


def _rows(axes: Axes, where: Sequence[float], labels: Sequence[str]) -> None:
    cut = ["\n".join(tidy(line, 24) for line in label.split("\n")) for label in labels]
    axes.set_yticks(list(where), cut, color=INK)
    axes.tick_params(axis="y", length=0)


def _share_axis(axes: Axes, top: float, room: float = 0.04) -> None:
    """Per cent from 0 to a little over the highest interval, so that rare things are seen; with room for texts."""
    end = next(end for end in (5, 10, 20, 40, 60, 80, 100) if end >= min(100.0, 100 * top))
    axes.set_xlim(-0.01 * end, end * (1 + room))
    step = end / 4 if end != 5 else 1
    ticks = [step * k for k in range(round(end / step) + 1)]
    axes.set_xticks(ticks, [f"{tick:g} %" for tick in ticks])
    axes.grid(axis="x", color=RULE, linewidth=0.8)


def _upper(rate: Rate) -> float:
    return rate.interval[1] if rate.interval else 0.0
