"""Right formulas of forward, by what a layer is called: what its outputs should be.

Backward may be the derivative of a forward that is not the layer that was meant. Nothing but the name says what was
meant, so each formula here yields all outputs that count as right: channels first or last, (in, out) or (out, in), all
orders of the gates, the usual places of epsilon. Where a layer has weights that a formula has no use for, it yields
nothing, and nothing is said.
"""
