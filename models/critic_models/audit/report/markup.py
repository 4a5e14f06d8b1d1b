"""Elements, tables and words of the report. Whatever is not markup is escaped here."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from critic_models.audit.intervals import Estimate

MISSING = "–"
_VOID = frozenset({"img", "meta"})


def tag(name: str, /, *children: str, **attributes: object) -> str:
    """Write an element; `class_` is `class`, other underscores are hyphens. Children are markup."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_number(value))}"'
        for key, value in attributes.items()
    )
    if name in _VOID:
        return f"<{name}{written}>"
    return f"<{name}{written}>{''.join(children)}</{name}>"


def words(name: str, content: str, /, **attributes: object) -> str:
    """Write an element that holds plain text."""
    return tag(name, escape(content), **attributes)


def table(caption: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table. Cells are markup; the first of a row is its heading, the others are numbers.

    A heading that ends in a colon is over words, and loses it.
    """
    numeric = [i > 0 and not heading.endswith(":") for i, heading in enumerate(headings)]
    classes = [{"class_": "number"} if is_number else {} for is_number in numeric]
    head = "".join(
        words("th", heading.removesuffix(":"), scope="col", **attributes)
        for heading, attributes in zip(headings, classes, strict=True)
    )
    body = [
        tag("th", row[0], scope="row")
        + "".join(
            tag("td", cell, **attributes)
            for cell, attributes in zip(row[1:], classes[1:], strict=True)
        )
        for row in rows
    ]
    written = tag(
        "table",
        words("caption", caption),
        tag("thead", tag("tr", head)),
        tag("tbody", *(tag("tr", row) for row in body)),
    )
    return tag("div", written, class_="scroll", tabindex=0, role="region", aria_label=caption)


def folded(summary: str, content: str) -> str:
    """Write something that is shown when its summary is clicked."""
    return tag("details", words("summary", summary), content)


def figure(drawing: str, caption: str, data: str) -> str:
    """Write a plot with its caption, and the table behind it."""
    return tag(
        "figure",
        tag("div", drawing, class_="scroll"),
        words("figcaption", caption),
        folded("the numbers", data),
    )


def estimate(each: Estimate | None, digits: int = 3) -> str:
    """Write a figure with its interval."""
    if each is None:
        return MISSING
    interval = f"{each.low:.{digits}f} to {each.high:.{digits}f}"
    return f"{each.value:.{digits}f} " + words("span", interval, class_="interval")


def _number(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
