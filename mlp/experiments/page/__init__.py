"""The page of one run, report.html: `content` has its numbers and charts, `hardest` its images, `write` writes it."""
