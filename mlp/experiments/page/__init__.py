"""The page of one run, report.html: `content` gathers what stands on it, `write` writes it."""
