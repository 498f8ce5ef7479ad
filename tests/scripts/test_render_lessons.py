"""Pages of lessons: formulas as MathML, solutions folded, nothing from the network."""

import re

import nbformat
import pytest
import render_lessons
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

LESSONS = sorted((render_lessons.ROOT / "notebooks").glob("*.ipynb"))
HINT = "<details><summary>Hint</summary>\n\nUse $y^2$.\n\n</details>"
SOLUTION = "def square(x):\n    ### BEGIN SOLUTION\n    return x * x\n    ### END SOLUTION"


@pytest.fixture
def html():
    solution = new_code_cell(SOLUTION, metadata={"nbgrader": {"grade_id": "exercise-1", "solution": True}})
    picture = new_output("display_data", {"image/png": "aGVsbG8=", "text/plain": "<Figure>"})
    printed = new_output("stream", name="stdout", text="1 < 2\n")
    cells = [
        new_markdown_cell("# 00 Test\n\nWith $x_i$:\n\n$$y = \\frac{x}{2} \\tag{1}$$\n\n" + HINT),
        new_code_cell("print(1)", outputs=[printed, picture], execution_count=1),
        solution,
    ]
    return render_lessons.page(new_notebook(cells=cells), "00 Test & more", "before", "after")


def test_formulas_are_mathml(html):
    assert html.count("<math") == 3
    assert "<mfrac>" in html
    assert "(1)" in html
    assert "$" not in html


def test_a_page_needs_no_network(html):
    assert "<script" not in html
    assert not re.search(r"(src|href)=.?https?:", html)
    assert "data:image/png;base64,aGVsbG8=" in html


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


def test_pages_and_their_list_are_written(tmp_path, monkeypatch):
    monkeypatch.setattr(render_lessons, "execute", lambda notebook, quick: None)
    render_lessons.main(["--out", str(tmp_path)])
    assert {path.stem for path in tmp_path.iterdir()} == {"index", *(path.stem for path in LESSONS)}
    index = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert all(f'href="{path.stem}.html"' in index for path in LESSONS)
