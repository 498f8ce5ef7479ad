"""Probes of finished or unfinished runs: what is measured around a network, read from and written to its folder."""
