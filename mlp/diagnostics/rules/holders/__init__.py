"""Where rules hold their settings and what they remember, if not in attributes."""
