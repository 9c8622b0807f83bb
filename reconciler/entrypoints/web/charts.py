"""Pictures of the pages: SVG that is made here, readable in black and white, in the colours of the style sheet.

The library writes texts as they are, so each text is escaped here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import svg
from markupsafe import Markup, escape

from reconciler.entrypoints.shown_text import cell_text

WIDTH: Final = 680
LABEL: Final = 190
ROW: Final = 30
BAR: Final = 18
VALUE_SPACE: Final = 150
COLUMN_HEIGHT: Final = 120


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its label, its length, and the text that says its value. ``tone`` is a class of the style sheet."""

    label: str
    value: int
    text: str
    tone: str = "plain"


def bar_chart(name: str, title: str, bars: Sequence[Bar]) -> Markup:
    """Bars from left to right, each with its value beside it. ``name`` makes the picture's ids unique on the page."""
    most = max((bar.value for bar in bars), default=0) or 1
    space = WIDTH - LABEL - VALUE_SPACE
    elements: list[svg.Element] = [_title(name, title), _hatching(name)]
    for number, bar in enumerate(bars):
        y = number * ROW
        length = max(2, round(space * bar.value / most))
        elements += [
            svg.Text(
                text=_safe(bar.label),
                x=LABEL - 10,
                y=y + ROW / 2 + 5,
                text_anchor="end",
                class_=["chart-label"],
            ),
            svg.Rect(
                x=LABEL,
                y=y + (ROW - BAR) / 2,
                width=length,
                height=BAR,
                rx=2,
                class_=["bar", f"bar-{bar.tone}"],
                fill=f"url(#{name}-hatching)" if bar.tone == "warning" else None,
            ),
            svg.Text(
                text=_safe(bar.text),
                x=LABEL + length + 8,
                y=y + ROW / 2 + 5,
                class_=["chart-value"],
            ),
        ]
    return _drawn(name, WIDTH, len(bars) * ROW, elements)


def column_chart(name: str, title: str, columns: Sequence[Bar]) -> Markup:
    """A column for each day, with the first, the last and the highest one named."""
    most = max((column.value for column in columns), default=0)
    step = WIDTH / max(1, len(columns))
    top = 24
    elements: list[svg.Element] = [_title(name, title)]
    highest = max(range(len(columns)), key=lambda one: columns[one].value, default=None)
    for number, column in enumerate(columns):
        height = round(COLUMN_HEIGHT * column.value / most) if most else 0
        x = number * step
        if height:
            elements.append(
                svg.Rect(
                    x=round(x + step * 0.15, 1),
                    y=top + COLUMN_HEIGHT - height,
                    width=round(step * 0.7, 1),
                    height=height,
                    rx=1,
                    class_=["bar", "bar-plain"],
                )
            )
        if number == highest and column.value:
            elements.append(
                svg.Text(
                    text=_safe(column.text),
                    x=round(min(max(x + step / 2, 20), WIDTH - 20), 1),
                    y=top + COLUMN_HEIGHT - height - 7,
                    text_anchor="middle",
                    class_=["chart-value"],
                )
            )
    base = top + COLUMN_HEIGHT
    elements.append(svg.Line(x1=0, x2=WIDTH, y1=base + 0.5, y2=base + 0.5, class_=["chart-axis"]))
    if columns:
        elements += [
            svg.Text(text=_safe(columns[0].label), x=0, y=base + 20, class_=["chart-label"]),
            svg.Text(
                text=_safe(columns[-1].label),
                x=WIDTH,
                y=base + 20,
                text_anchor="end",
                class_=["chart-label"],
            ),
        ]
    return _drawn(name, WIDTH, base + 28, elements)


def _title(name: str, title: str) -> svg.Element:
    return svg.Title(text=_safe(title), id=f"{name}-title")


def _hatching(name: str) -> svg.Element:
    """Lines that stay apart from a full bar without colours."""
    return svg.Defs(
        elements=[
            svg.Pattern(
                id=f"{name}-hatching",
                width=6,
                height=6,
                patternUnits="userSpaceOnUse",
                patternTransform=[svg.Rotate(45)],
                elements=[
                    svg.Rect(width=6, height=6, class_=["hatching-ground"]),
                    svg.Rect(width=3, height=6, class_=["hatching-line"]),
                ],
            )
        ]
    )


def _drawn(name: str, width: int, height: int, elements: list[svg.Element]) -> Markup:
    picture = svg.SVG(
        viewBox=svg.ViewBoxSpec(0, 0, width, height),
        class_=["chart"],
        extra={"role": "img", "aria-labelledby": f"{name}-title"},
        elements=elements,
    )
    # every text in it was escaped
    return Markup(picture.as_str())  # noqa: S704


def _safe(text: str) -> str:
    return str(escape(cell_text(text)))
