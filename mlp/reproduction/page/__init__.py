"""The report page: what stands on it, as HTML and as Markdown."""
