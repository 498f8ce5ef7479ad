"""The commands: `mlp train | evaluate | predict | compare | reproduce | check | data | devices`, one file each.

`scripts/` has a file of a few lines for each of them, for people who work in a clone.
"""
