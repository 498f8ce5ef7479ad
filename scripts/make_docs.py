"""Write the API reference: one page for each module of mlp, made of its docstrings by pdoc.

    make docs            or, if pdoc is installed,        python scripts/make_docs.py [FOLDER]

Open docs/api/index.html in a browser; the pages need no network and no server, and have a search field. The formulas
are on the pages of mlp.layers.affine, mlp.layers.convolution, mlp.layers.batch_norm and their neighbours.
"""

if __name__ == "__main__":
    from mlp.commands.shared.begin import require

    require("docs", "pdoc")

import pkgutil
import sys
from pathlib import Path

from pdoc import pdoc, render
from pdoc.extract import load_module, walk_specs

import mlp
from mlp import pages
from mlp.version import __version__

FOLDER = Path(__file__).parents[1] / "docs" / "api"


def main(folder):
    modules = ["mlp"]
    for module in pkgutil.walk_packages(mlp.__path__, "mlp."):
        if module.name not in walk_specs(modules):  # pdoc finds by itself what packages name in __all__
            modules.append(module.name)
    render.configure(docformat="google", footer_text=f"mlp {__version__}")
    pdoc(*modules, output_directory=folder)
    names = sorted(walk_specs(modules))
    index = pages.render("modules.html", version=__version__, modules=[(name, first_line(name)) for name in names])
    (folder / "index.html").write_text(index, encoding="utf-8")
    print(f"{len(names)} pages: {folder / 'index.html'}")


def first_line(name):
    return (load_module(name).__doc__ or "").partition("\n")[0]


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
