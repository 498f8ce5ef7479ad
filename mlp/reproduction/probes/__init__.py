"""What is measured around the networks of the rows: computing it, drawing it, and what it says.

    compute   landscapes of finished runs, correlation of gradients; runs measure smoothness themselves
    found     where the results are, read back
    figures   the figures of the rows, with the tables below them
    claims    what the reports and papers say, beside what was measured

Rows name what they need, see `PROBES` in `mlp.reproduction.reports`.
"""
