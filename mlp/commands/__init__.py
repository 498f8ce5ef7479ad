"""The commands: `mlp train | evaluate | predict | compare | reproduce | check | data | devices`, one file each.

`scripts/` holds a door of a few lines for most of them, for those who work in a clone.
"""
