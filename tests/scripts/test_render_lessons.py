"""Pages of lessons: formulas as MathML, solutions folded, nothing from the network."""

import base64
import io
import re

import nbformat
import numpy as np
import pytest
import render_lessons
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

LESSONS = sorted((render_lessons.ROOT / "notebooks").glob("*.ipynb"))
HINT = "<details><summary>Hint</summary>\n\nUse $y^2$.\n\n</details>"
SOLUTION = "def square(x):\n    ### BEGIN SOLUTION\n    return x * x\n    ### END SOLUTION"


def made_up_picture():
    """Return a PNG of many colours, as base64."""
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode("ascii")


PICTURE = made_up_picture()


def lesson(code="print(1)", outputs=()):
    """Return a notebook with a code cell, its results, and a solution of an exercise."""
    solution = new_code_cell(
        SOLUTION, metadata={"nbgrader": {"grade_id": "exercise-1", "solution": True}}, id="solution"
    )
    text = new_markdown_cell("# 00 Test\n\nWith $x_i$:\n\n$$y = \\frac{x}{2} \\tag{1}$$\n\n" + HINT)
    code = new_code_cell(code, outputs=list(outputs), execution_count=1, id="code")
    return new_notebook(cells=[text, code, solution])


@pytest.fixture(scope="module")
def html():
    picture = new_output("display_data", {"image/png": PICTURE, "text/plain": "<Figure>"})
    printed = new_output("stream", name="stdout", text="1 < 2\n")
    return render_lessons.page(lesson(outputs=[printed, picture]), "00 Test & more", "before", "after")


def test_formulas_are_mathml(html):
    assert html.count("<math") == 3
    assert "<mfrac>" in html
    assert "(1)" in html
    assert "$" not in html


def test_a_page_needs_no_network(html):
    assert "<script" not in html
    assert not re.search(r"(src|href)=.?https?:", html)
    assert html.count("<img alt=") == 1


def test_pictures_get_fewer_colours(html):
    (data,) = re.findall(r"data:image/webp;base64,([^\"]+)", html)
    small = base64.b64decode(data)
    assert len(small) < len(base64.b64decode(PICTURE))
    assert len(Image.open(io.BytesIO(small)).convert("RGB").getcolors(1600)) <= render_lessons.COLOURS


@pytest.mark.slow
def test_a_thin_line_keeps_its_colour():
    """Among many shades of grey, as the edges of letters make them."""
    grey = np.random.default_rng(0).integers(0, 256, (60, 60, 1), np.uint8)
    picture = np.repeat(grey, 3, axis=2)
    picture[30] = (213, 94, 0)
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    data = render_lessons.smaller(re.match("(.*)", base64.b64encode(file.getvalue()).decode("ascii")))
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(data.partition(",")[2]))).convert("RGB"), int)
    assert abs(shown[30] - (213, 94, 0)).max() <= 8


def test_solutions_are_folded_and_not_marked(html):
    assert "SOLUTION" not in html
    folded = html[html.index("<summary>Solution") : html.rindex("</details>")]
    assert "square" in folded
    assert "1 &lt; 2" in html.replace(folded, "")


def test_neighbours_and_title(html):
    assert "<title>00 Test &amp; more</title>" in html
    assert html.count('href="before.html"') == html.count('href="after.html"') == 2


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_all_formulas_of_a_lesson_can_be_typeset(path):
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            text = re.sub(r"<code>.*?</code>", "", render_lessons.to_html(cell.source), flags=re.DOTALL)
            assert "$" not in text, cell.id


@pytest.mark.slow
def test_pages_and_their_list_are_written(tmp_path, monkeypatch):
    monkeypatch.setattr(render_lessons, "execute", lambda notebook, quick: None)
    render_lessons.main(["--out", str(tmp_path)])
    assert {path.stem for path in tmp_path.iterdir()} == {"index", "lesson", *(path.stem for path in LESSONS)}
    assert ".highlight .k {" in (tmp_path / "lesson.css").read_text(encoding="utf-8")
    index = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert all(f'href="{path.stem}.html"' in index for path in LESSONS)
    assert "read before" in index
    assert ".ipynb" not in index


def test_the_list_names_each_lesson_once_with_minutes_and_what_to_read_before():
    rows = re.findall(r"^\| \[(\d\d) .*\]\((\w+)\.html\) \| .+ \| (\d+) \| (.+) \|$", contents(), flags=re.MULTILINE)
    assert [name for _, name, *_ in rows] == [path.stem for path in LESSONS]
    for number, name, minutes, before in rows:
        assert name.startswith(number)
        assert 30 <= int(minutes) <= 120
        assert all(earlier < number for earlier in re.findall(r"\d\d", before))


def contents():
    return render_lessons.contents_of(render_lessons.README)


def test_results_are_kept_while_the_code_is_the_same(html):
    same, other = lesson(), lesson("print(2)")
    same.cells[0].source += "\n\nMore text."
    assert render_lessons.take_results(same, html)
    again = render_lessons.page(same, "00 Test & more", "before", "after")
    assert "More text." in again
    assert again.replace("<p>More text.</p>\n", "") == html
    assert not render_lessons.take_results(other, html)
    assert other.cells[1].outputs == []
