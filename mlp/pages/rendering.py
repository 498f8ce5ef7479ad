"""Filling templates with values. Jinja2 is loaded by the first page, not by `import mlp`."""

import base64
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlp.errors import without_controls
from mlp.typing import PathLike

if TYPE_CHECKING:
    from jinja2 import Environment

PICTURE_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".svg": "image/svg+xml"}


def render(template: str, **values: Any) -> str:
    """Return a template of `mlp/pages/templates` filled with values.

    Raises:
        jinja2.UndefinedError: a value that the template needs is missing. Pages do not silently lose parts.
    """
    return environment().get_template(template).render(values)


def embed_picture(path: PathLike) -> str:
    """Return a picture file (.png, .jpg or .svg) as a URL that holds the picture itself."""
    kind = PICTURE_TYPES[Path(path).suffix.lower()]
    return f"data:{kind};base64," + base64.b64encode(Path(path).read_bytes()).decode("ascii")


@cache
def environment() -> "Environment":
    """Return Jinja2 set up for our templates: it escapes everything, and a missing value is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    made = Environment(
        loader=PackageLoader("mlp.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=lambda value: without_controls(value) if type(value) is str else value,  # Markup is ours
    )
    made.filters["embed"] = embed_picture
    made.globals["style"] = Markup(files("mlp.pages").joinpath("style.css").read_text(encoding="utf-8"))
    return made
