"""The report page: its content, as HTML and as Markdown."""
