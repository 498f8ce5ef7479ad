"""The settings and facts in config.json, the flags made of settings, the names of folders, and the parts of a run."""
