"""How the wrong line is looked for quickly: where wrong values come from, and backward run alone again and again."""
