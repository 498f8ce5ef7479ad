"""What config.json holds, settings and facts; the flags made of settings, and the names of folders."""
