"""Measurements around the networks of the rows: the loss nearby, its smoothness, how alike gradients are.

    compute   measures landscapes of finished runs and correlations of gradients; smoothness is measured in training
    found     finds the results and reads them
    figures   draws the figures of the rows, with the tables below them
    claims    compares what reports and papers say with what was measured

Rows name what they need, see `PROBES` in `mlp.reproduction.reports.row`.
"""
