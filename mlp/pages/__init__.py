"""HTML pages: a template, plain values, and out comes one file that needs nothing but itself.

    render("report.html", page=page)       templates/ has the pages, macros.html their parts
    line_chart({"training": rows}, ...)    a small picture; rows are (x, y)

Values are escaped by the templates, wherever they come from: the name of a run can be `<script>`, and is shown as that.
What is markup already (a picture, the style sheet) has the type `Markup`, and nothing else has.
"""

from mlp.pages.pictures import line_chart, sparkline
from mlp.pages.rendering import embed_picture, render

__all__ = ["embed_picture", "line_chart", "render", "sparkline"]
