"""Figures as SVG text: the robustness curve, what each family broke, before and after, rounds, and duels."""

from collections.abc import Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes

from sparring.measure.comparison import Change
from sparring.measure.scorecard import Scorecard
from sparring.measure.statistics import Rate
from sparring.report.canvas import (
    INK,
    LINES,
    LOOK,
    MARKERS,
    MUTED,
    RULE,
    as_svg,
    canvas,
    colour,
    legend,
    percent_axis,
    told,
)
from sparring.report.summary import clean, curve, families, names, tidy


def robustness_curve(cards: Sequence[Scorecard]) -> str:
    """Per cent held over radius with 95 % bands; empty where no card has a curve."""
    lines = [[(radius, rate) for radius, rate in curve(card) if rate.held is not None] for card in cards]
    if not any(lines):
        return ""
    with rc_context(LOOK):
        figure, axes = canvas(3.3)
        for place, (name, line) in enumerate(zip(names(cards), lines, strict=True)):
            if line:
                _band(axes, place, name, [radius for radius, _ in line], [rate for _, rate in line])
        axes.set_xlabel("radius of the threat")
        axes.set_xlim(left=0)
        percent_axis(axes, "cases held")
        legend(figure, axes)
        return as_svg(figure, "curve", "Robustness curve: per cent of cases held over the radius of the threat")


def rounds(series: Sequence[Scorecard]) -> str:
    """Clean and worst case after each round of training; empty where there are fewer than two."""
    if len(series) < 2:
        return ""
    with rc_context(LOOK):
        figure, axes = canvas(3.0)
        for place, (name, rates) in enumerate(
            (
                ("clean", [clean(card) for card in series]),
                ("worst case, everything", [card.worst() for card in series]),
                ("worst case, held out", [card.worst(held_out=True) for card in series]),
            )
        ):
            known = [(step, rate) for step, rate in enumerate(rates) if rate.held is not None]
            if known:
                _band(axes, place, name, [step for step, _ in known], [rate for _, rate in known])
        axes.set_xlabel("round")
        axes.set_xticks(range(len(series)))
        percent_axis(axes, "cases held")
        legend(figure, axes)
        return as_svg(figure, "rounds", "Per cent of cases held after each round of training")


def duel(history: Sequence[dict[str, float]], number: int) -> str:
    """An attacker's success over the epochs in which it and the target learned from each other; empty without one.

    Args:
        history: rows with "attacker_now", and "attacker_first", "attacker_earlier" and "attacker_past" where there are any.
        number: tells the figures of one page apart.
    """
    lines = [
        (name, [(row["epoch"] + 1, 100 * row[key]) for row in history if key in row])
        for name, key in (
            ("present target", "attacker_now"),
            ("first target", "attacker_first"),
            ("earlier targets, mean", "attacker_earlier"),
            ("best past attacker", "attacker_past"),
        )
    ]
    if len(lines[0][1]) < 2:
        return ""
    with rc_context(LOOK):
        figure, axes = canvas(3.3)
        for place, (name, points) in enumerate(lines):
            if points:
                epochs, rates = zip(*points, strict=True)
                axes.plot(
                    epochs, rates, color=colour(place), linestyle=LINES[place % len(LINES)], linewidth=1.8,
                    marker=MARKERS[place % len(MARKERS)], markersize=4, label=told(name), clip_on=False,
                )  # fmt: skip
        axes.set_xlabel("epoch")
        percent_axis(axes, "cases that the attacker broke")
        legend(figure, axes)
        words = "Success of the learning attacker over the epochs, against present and past targets"
        return as_svg(figure, f"duel-{number}", words)


def families_broken(cards: Sequence[Scorecard]) -> str:
    """Bars: what each family broke of the cases that held untouched; families seen in training are hatched."""
    table = [{one.family: one for one in families(card)} for card in cards]
    order = list(dict.fromkeys(family for figures in table for family in figures))
    order.sort(key=lambda family: -max(_value(one[family].rate) for one in table if family in one))
    if not order:
        return ""
    with rc_context(LOOK):
        step = 0.2  # inches per bar
        group = len(cards) + 0.9
        figure, axes = canvas(0.95 + step * group * len(order))
        for place, (name, found) in enumerate(zip(names(cards), table, strict=True)):
            axes.barh([-1], [0], color=colour(place), label=told(name))
            for row, family in enumerate(order):
                if family in found:
                    _bar(axes, row * group + place, found[family].rate, colour(place), found[family].held_out)
        axes.set_yticks([row * group + (len(cards) - 1) / 2 for row in range(len(order))])
        axes.set_yticklabels([tidy(family, 18) for family in order], color=INK)
        axes.set_ylim(len(order) * group - 0.7, -0.9)
        axes.tick_params(axis="y", length=0)
        axes.set_xlim(0, 132)
        axes.set_xticks(range(0, 101, 25), [f"{tick} %" for tick in range(0, 101, 25)])
        axes.grid(axis="x", color=RULE, linewidth=0.8)
        of = "share broken" if any(card.groups for card in cards) else "share broken of the cases that held untouched"
        axes.set_xlabel(of, x=50 / 132)
        legend(figure, axes)
        return as_svg(figure, "families", "Bar chart: share of cases that each attack family broke")


def before_after(changes: Sequence[Change], before: str, after: str) -> str:
    """Per cent held before and after, a line per figure; empty where nothing was decided."""
    shown = [change for change in changes if change.before.held is not None and change.after.held is not None]
    if not shown:
        return ""
    with rc_context(LOOK):
        figure, axes = canvas(0.9 + 0.36 * len(shown))
        for row, change in enumerate(shown):
            ends = [100 * (rate.held or 0) for rate in (change.before, change.after)]
            axes.plot(ends, [row, row], color=RULE, linewidth=3, solid_capstyle="round", zorder=1)
            for place, rate in enumerate((change.before, change.after)):
                _dot(axes, row + (0.12 if place else -0.12), rate, place)
        for place, name in enumerate((before, after)):
            axes.plot([], [], MARKERS[place], color=colour(place), label=told(name))
        axes.set_yticks(range(len(shown)), [tidy(change.label, 24) for change in shown], color=INK)
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.set_xlim(-2, 102)
        axes.set_xticks(range(0, 101, 25), [f"{tick} %" for tick in range(0, 101, 25)])
        axes.grid(axis="x", color=RULE, linewidth=0.8)
        axes.set_xlabel("cases held")
        legend(figure, axes)
        return as_svg(figure, "change", "Per cent of cases held before and after, for each figure")


def _band(axes: Axes, place: int, name: str, across: Sequence[float], rates: Sequence[Rate]) -> None:
    held = [100 * (rate.held or 0) for rate in rates]
    bounds = [rate.held_interval or (0, 0) for rate in rates]
    axes.fill_between(
        across, [100 * low for low, _ in bounds], [100 * high for _, high in bounds],
        color=colour(place), alpha=0.16, linewidth=0,
    )  # fmt: skip
    axes.plot(
        across, held, color=colour(place), linestyle=LINES[place % len(LINES)], linewidth=1.8,
        marker=MARKERS[place % len(MARKERS)], markersize=4.5, label=told(name), clip_on=False,
    )  # fmt: skip


def _bar(axes: Axes, row: float, rate: Rate, shade: str, held_out: bool) -> None:
    if rate.value is None or rate.interval is None:
        axes.text(1, row, "nothing decided", va="center", fontsize=8.5, color=MUTED)
        return
    low, high = (100 * bound for bound in rate.interval)
    looks: dict[str, Any] = (
        {"color": shade} if held_out else {"facecolor": "white", "edgecolor": shade, "hatch": "////"}
    )
    axes.barh(row, 100 * rate.value, height=0.82, linewidth=0.8, **looks)
    axes.plot([low, high], [row, row], color=INK, linewidth=1.1, solid_capstyle="butt")
    text = f"{100 * rate.value:.1f} %" + ("" if held_out else ", seen")
    axes.text(max(high, 100 * rate.value) + 1.5, row, text, va="center", fontsize=8.5, color=INK)


def _dot(axes: Axes, row: float, rate: Rate, place: int) -> None:
    low, high = (100 * bound for bound in rate.held_interval or (0, 0))
    axes.plot([low, high], [row, row], color=colour(place), linewidth=1.4)
    axes.plot([100 * (rate.held or 0)], [row], MARKERS[place], color=colour(place), markersize=5.5)


def _value(rate: Rate) -> float:
    return rate.value or 0.0
