"""Write the lessons in notebooks/ as pages with their results: docs/lessons/index.html.

Only changed lessons are run: if a page shows the same code as the notebook, its results are kept, and only the text is
written anew. After a change in the library, --execute runs all lessons (or those of --only) from top to bottom.

Pages need no network: formulas are MathML, which browsers typeset themselves; pictures are embedded, as lossless WebP
with 256 colours; one style sheet, lesson.css, lies beside them. Solutions of exercises are folded. Needs
pip install -e ".[lessons]".
"""

if __name__ == "__main__":
    from mlp.commands.shared.begin import begin, require, start

    begin()
    require("lessons", "math_core", "nbformat", "bs4", "nbclient", "nbconvert", "ipykernel", "pygments")

import base64
import io
import os
import re
import time
from pathlib import Path

import math_core
import nbformat
from bs4 import BeautifulSoup
from make_exercises import MARKS, is_solution
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from PIL import Image
from pygments import highlight
from pygments.filter import simplefilter
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.token import Token

from mlp.commands.command_line import CommandLine
from mlp.commands.shared.paths import folder_argument

ROOT = Path(__file__).parents[1]
TEMPLATE = Path(__file__).with_name("lesson_page.html.j2")
README = ROOT / "notebooks" / "README.md"
STYLE = Path(__file__).with_name("lesson.css")
COLOURS = 256  # of a picture: more look the same, and take twice the bytes
UNCOLOURED = (Token.Name, Token.Punctuation, Token.Operator, Token.Text.Whitespace)  # half of all tokens


class Markdown(IPythonRenderer):
    """Markdown with formulas as MathML."""

    latex = math_core.LatexToMathML()

    def block_math(self, body):
        if "\\tag" in body:  # only an equation environment puts the number at the right
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


def take_results(notebook, old_page):
    """Put the results that an old page shows below the cells of a notebook.

    Returns:
        Whether the page shows the same code; otherwise nothing is taken.
    """
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    sources = BeautifulSoup(old_page, "html.parser").find_all("div", class_="source")
    if [shown_code(cell.source) for cell in cells] != [shown_code(source.get_text()) for source in sources]:
        return False
    for cell, source in zip(cells, sources, strict=True):
        result = source.find_next_sibling("div", class_="result")
        if result is not None:
            cell.outputs = [nbformat.v4.new_output("display_data")]
            cell.metadata["kept"] = result.decode_contents()
    return True


def shown_code(source):
    """Return code as a page shows it, without blank lines at its ends."""
    return MARKS.sub("", source).strip()


@simplefilter
def only_coloured(self, lexer, stream, options):
    """Make tokens without a colour plain text, so that they need no markup."""
    for kind, text in stream:
        yield Token.Text if kind in UNCOLOURED else kind, text


def coloured(code):
    """Return Python code as HTML."""
    lexer = get_lexer_by_name("ipython3")
    lexer.add_filter(only_coloured())
    return highlight(code, lexer, HtmlFormatter())


def smaller(match):
    """Return an embedded PNG, found by `re`, as WebP with COLOURS colours.

    The colours are chosen to cover the whole range. (The usual choice favours frequent colours, and turns thin lines
    grey.)
    """
    picture, file = Image.open(io.BytesIO(base64.b64decode(match[1]))).convert("RGB"), io.BytesIO()
    few = picture.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).convert("RGB")
    few.save(file, "WebP", lossless=True, quality=100, method=6)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def page(notebook, title, before=None, after=None):
    """Return the HTML page of a lesson; `before` and `after` are the names of its neighbours, or None."""
    exporter = HTMLExporter(raw_template=TEMPLATE.read_text(encoding="utf-8"))
    exporter.register_filter("lesson_markdown", to_html)
    exporter.register_filter("without_marks", lambda source: MARKS.sub("", source))
    exporter.register_filter("highlight", coloured)
    exporter.environment.tests["solution"] = is_solution
    resources = {"lesson_title": title, "before": before, "after": after}
    text = exporter.from_notebook_node(notebook, resources)[0]
    return re.sub(r"data:image/png;base64,([^\"]+)", smaller, text)


def title_of(notebook):
    """Return the heading of a lesson: "03 Convolution as a matrix product"."""
    return re.match(r"# (.+)", notebook.cells[0].source)[1]


def contents_of(readme):
    """Return the list of lessons from notebooks/README.md, with links to the pages: Markdown."""
    text = readme.read_text(encoding="utf-8")
    section = re.search(r"^## What each lesson teaches\n(.*?)^## ", text, flags=re.MULTILINE | re.DOTALL)[1]
    links = re.sub(r"\((\w+)\.ipynb\)", r"(\1.html)", section)
    return f"# Lessons\n{links}"


def main(arguments=None):
    parser = CommandLine(__doc__)
    parser.add_argument("--only", default="", metavar="NN", help="only lessons whose name begins with this (03)")
    parser.add_argument("--execute", action="store_true", help="also run lessons whose code is unchanged")
    parser.add_argument("--quick", action="store_true", help="run them in small sizes, as the tests do")
    parser.add_argument("--out", type=folder_argument, default=ROOT / "docs" / "lessons", help="folder for the pages")
    options = parser.parse_args(arguments)
    paths = sorted((ROOT / "notebooks").glob("*.ipynb"))
    names = [None, *(path.stem for path in paths), None]
    options.out.mkdir(parents=True, exist_ok=True)
    for before, path, after in zip(names[:-2], paths, names[2:], strict=True):
        notebook = nbformat.read(path, as_version=4)
        if not path.stem.startswith(options.only):
            continue
        out = options.out / f"{path.stem}.html"
        if not options.execute and out.exists() and take_results(notebook, out.read_text(encoding="utf-8")):
            print(f"{path.stem}: the same code, its results are kept", flush=True)
        else:
            start = time.perf_counter()
            execute(notebook, options.quick)
            print(f"{path.stem}: {time.perf_counter() - start:.0f} s", flush=True)
        out.write_text(page(notebook, title_of(notebook), before, after), encoding="utf-8")
    contents = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(contents_of(README))])
    (options.out / "index.html").write_text(page(contents, "Lessons"), encoding="utf-8")
    colours = HtmlFormatter(style="friendly").get_style_defs(".highlight")
    (options.out / STYLE.name).write_text(STYLE.read_text(encoding="utf-8") + colours + "\n", encoding="utf-8")


if __name__ == "__main__":
    start(main)
