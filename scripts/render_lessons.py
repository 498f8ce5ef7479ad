"""Run the lessons in notebooks/ from top to bottom and write them as pages: docs/lessons/index.html.

A page is one file with its figures in it, and needs no network: formulas are MathML, which browsers typeset
themselves. Solutions of exercises are folded.
"""

import os
import re
import sys
import time
from pathlib import Path

import math_core
import nbformat
from make_exercises import MARKS, is_solution
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from pygments.formatters import HtmlFormatter

from mlp.commands.command_line import CommandLine

ROOT = Path(__file__).parents[1]
TEMPLATE = Path(__file__).with_name("lesson_page.html.j2")


class Markdown(IPythonRenderer):
    """Markdown with formulas as MathML."""

    latex = math_core.LatexToMathML()

    def block_math(self, body):
        if "\\tag" in body:  # a number stands at the right only in an environment of numbered equations
            body = f"\\begin{{equation}}{body}\\end{{equation}}"
        return f'<div class="formula">{self.latex.convert_with_local_state(body, displaystyle=True)}</div>\n'

    def inline_math(self, body):
        return self.latex.convert_with_local_state(body, displaystyle=False)


def to_html(markdown):
    """Return Markdown as HTML."""
    return MarkdownWithMath(renderer=Markdown(escape=False, anchor_link_text="")).render(markdown)


def execute(notebook, quick):
    """Run all cells in place; the first that fails ends the script."""
    os.environ["MLP_LESSON"] = "quick" if quick else "full"
    folder = {"metadata": {"path": str(ROOT / "notebooks")}}
    NotebookClient(notebook, timeout=3600, extra_arguments=["--log-level=ERROR"], resources=folder).execute()


def page(notebook, title, before=None, after=None):
    """Return the HTML page of a lesson; `before` and `after` are the names of its neighbours, or None."""
    exporter = HTMLExporter(raw_template=TEMPLATE.read_text(encoding="utf-8"))
    exporter.register_filter("lesson_markdown", to_html)
    exporter.register_filter("without_marks", lambda source: MARKS.sub("", source))
    exporter.environment.tests["solution"] = is_solution
    resources = {"lesson_title": title, "before": before, "after": after}
    resources["highlighting"] = HtmlFormatter(style="friendly").get_style_defs(".highlight")
    return exporter.from_notebook_node(notebook, resources)[0]


def title_of(notebook):
    """Return the heading of a lesson: "03 Convolution as a matrix product"."""
    return re.match(r"# (.+)", notebook.cells[0].source)[1]


def main(arguments=None):
    parser = CommandLine(__doc__)
    parser.add_argument("--only", default="", metavar="NN", help="only lessons whose name begins so (03)")
    parser.add_argument("--quick", action="store_true", help="small, as the tests run them")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "lessons", help="folder for the pages")
    options = parser.parse_args(arguments)
    paths = sorted((ROOT / "notebooks").glob("*.ipynb"))
    names = [None, *(path.stem for path in paths), None]
    options.out.mkdir(parents=True, exist_ok=True)
    titles = {}
    for before, path, after in zip(names[:-2], paths, names[2:], strict=True):
        notebook = nbformat.read(path, as_version=4)
        titles[path.stem] = title_of(notebook)
        if not path.stem.startswith(options.only):
            continue
        start = time.perf_counter()
        execute(notebook, options.quick)
        text = page(notebook, titles[path.stem], before, after)
        (options.out / f"{path.stem}.html").write_text(text, encoding="utf-8")
        print(f"{path.stem}: {time.perf_counter() - start:.0f} s", flush=True)
    lines = [f"- [{title}]({name}.html)" for name, title in titles.items()]
    contents = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("\n".join(["# Lessons", "", *lines]))])
    (options.out / "index.html").write_text(page(contents, "Lessons"), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
