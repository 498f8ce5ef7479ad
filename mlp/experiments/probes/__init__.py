"""Probes of finished or unfinished runs: what is measured around a network, from its folder and back into it."""
