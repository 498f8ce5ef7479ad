"""Pages: everything from outside is escaped, nothing is missing in silence; small pictures show what they are given."""

import math
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from jinja2 import UndefinedError

from mlp.pages import embed_picture, line_chart, render, sparkline
from mlp.pages.layer_charts import LayerChart, Statistic
from mlp.pages.rendering import environment

EVIL = "<script>alert('&')</script>"


def points(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.]+),([\d.]+)", path)]


def paths_of(picture: str) -> list[str]:
    """Return the d of the lines of a picture, its grid left out."""
    return [element.get("d") or "" for element in ElementTree.fromstring(picture).findall("path")]


def texts_of(picture: str) -> set[str | None]:
    return {element.text for element in ElementTree.fromstring(picture).iter("text")}


def test_parts_escape_what_they_are_given() -> None:
    macros = environment().get_template("macros.html").module
    for part in (
        macros.bullets([EVIL], "notes"),
        macros.plain_table([EVIL], [[EVIL]], {EVIL: EVIL}, wide=(0,)),
        macros.navigation([EVIL]),
    ):
        assert "<script" not in part
        assert "&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;" in part
    assert str(macros.bullets([])).strip() == ""


def test_a_missing_value_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="title"):
        render("report.html")


def test_a_page_holds_its_style_and_no_link_to_outside() -> None:
    page = environment().from_string(
        '{% extends "base.html" %}{% block title %}{{ name }}{% endblock %}{% block body %}{% endblock %}'
    )
    text = page.render(name=EVIL)
    assert text.startswith("<!doctype html>")
    assert "<script" not in text
    assert 'font: 16px/1.5 system-ui, "Segoe UI"' in text  # the style sheet is not escaped
    assert "http" not in text


def test_line_chart_maps_rows_to_pixels_and_leaves_gaps() -> None:
    picture = line_chart({"a": [(0, 0), (1, 5), (2, math.nan), (3, 10), (4, 0)], EVIL: [(0, 10)]}, "epoch", "loss")
    assert {"epoch", "loss", "a", EVIL, "0", "10"} <= texts_of(picture)
    path = paths_of(picture)[0]
    assert re.sub(r"[\d.,]", "", path) == "MLML"
    (x0, low), (x1, middle), (_, high), (x4, _) = points(path)
    assert x0 < x1 < x4 <= 420
    assert 0 <= high < middle < low <= 240  # pixels count from above
    assert middle == pytest.approx((low + high) / 2)


def test_between_two_epochs_stands_no_number() -> None:
    labels = [
        re.findall(r">([\d.]+)</text>", str(line_chart({"a": [(x, 2.0 + x) for x in xs]})))
        for xs in ((1, 2, 3), (1, 1.6))
    ]
    assert {"1", "2", "3"} <= set(labels[0]) and "1.5" not in labels[0]
    assert "1.2" in labels[1]


def test_line_chart_with_logarithms() -> None:
    picture = line_chart({"a": [(0, 1e-9), (1, 0.0), (2, 1e-5), (3, 1e-1)]}, log=True)
    assert {"1e-9", "1e-5", "1e-1"} <= texts_of(picture)
    path = paths_of(picture)[0]
    assert re.sub(r"[\d.,]", "", path) == "MML"  # zero has no logarithm: a gap
    (_, low), (_, middle), (_, high) = points(path)
    assert middle == pytest.approx((low + high) / 2, abs=0.1)


@pytest.mark.parametrize("values", [[], [math.nan], [0.3], [0.3, 0.3]])
def test_pictures_of_little(values: list[float]) -> None:
    rows = list(enumerate(values))
    for picture in (line_chart({"a": rows}), line_chart({"a": rows}, log=True), sparkline(rows, "few", ends=(0, 1))):
        assert len(paths_of(picture)) == 1


def test_sparklines_share_their_ends() -> None:
    def heights(*values: float) -> list[float]:
        return [y for _, y in points(paths_of(sparkline(list(enumerate(values)), EVIL, ends=(0, 1)))[0])]

    assert heights(0.1, 0.9)[0] == heights(0.1, 0.2)[0]
    assert heights(0, 1) == [20, 2]


def test_embedded_pictures(tmp_path: Path) -> None:
    path = tmp_path / "a.PNG"
    path.write_bytes(b"\x89PNG")
    assert embed_picture(path) == "data:image/png;base64,iVBORw=="


def test_long_numbers_beside_an_axis_have_room():
    def left(values):
        chart = str(line_chart({"": list(enumerate(values))}, "epoch", "learning rate", log=True))
        return int(re.search(r'<path d="M(\d+),[\d.]+H', chart)[1])

    assert left([1.0, 1000.0]) < left([0.00985, 0.00990, 0.01])


def test_names_of_narrow_groups_stand_below_the_others():
    names = ["input.w", *(f"stage_{k}.w{i}" for k in range(2) for i in range(30)), "head.w"]
    statistic = Statistic("mean", np.ones((2, len(names))))
    chart = LayerChart.of("Flow", "weights", names, [statistic])
    assert [(name, room) for _, name, room in chart.groups] == [
        ("input", False),
        ("stage_0", True),
        ("stage_1", True),
        ("head", False),
    ]
    assert '<text x="848" text-anchor="end" y="306">head</text>' in str(chart.picture())
