"""Write the API reference: one page for each module of mlp, made of its docstrings by pdoc.

    make docs            or, where pdoc is installed,        python scripts/make_docs.py [FOLDER]

Open docs/api/index.html in a browser; the pages need no network and no server, and have a search field. The formulas
are on the pages of mlp.layers.affine, mlp.layers.convolution, mlp.layers.batch_norm and their neighbours.
"""

import html
import pkgutil
import sys
from pathlib import Path

from pdoc import pdoc, render
from pdoc.extract import load_module, walk_specs

import mlp

FOLDER = Path(__file__).parents[1] / "docs" / "api"
INDEX = """<!doctype html><meta charset="utf-8"><title>mlp {version}</title>
<style>body {{ font: 16px/1.5 sans-serif; max-width: 60em; margin: 2em auto }} td {{ padding: 2px 2em 2px 0 }}</style>
<h1>mlp {version}: all modules</h1><table>{rows}</table>
"""


def main(folder):
    modules = ["mlp"]
    for module in pkgutil.walk_packages(mlp.__path__, "mlp."):
        if module.name not in walk_specs(modules):  # pdoc itself finds those that packages name in __all__
            modules.append(module.name)
    render.configure(docformat="google", footer_text=f"mlp {mlp.__version__}")
    pdoc(*modules, output_directory=folder)
    names = sorted(walk_specs(modules))
    rows = [f'<tr><td><a href="{name.replace(".", "/")}.html">{name}</a><td>{first_line(name)}' for name in names]
    (folder / "index.html").write_text(INDEX.format(version=mlp.__version__, rows="\n".join(rows)), encoding="utf-8")
    print(f"{len(names)} pages: {folder / 'index.html'}")


def first_line(name):
    return html.escape((load_module(name).__doc__ or "").partition("\n")[0])


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
