"""HTML pages: a template filled with plain values gives one file that loads nothing else.

    render("report.html", page=page)       templates/ has the pages, macros.html their parts
    line_chart({"training": rows}, ...)    a small picture; rows are (x, y)

The templates escape every value, wherever it comes from: a run may be called `<script>`, and the page shows that name.
Only what is markup already (a picture, the style sheet) has the type `Markup`.
"""

from mlp.pages.pictures import line_chart, sparkline
from mlp.pages.rendering import embed_picture, render

__all__ = ["embed_picture", "line_chart", "render", "sparkline"]
