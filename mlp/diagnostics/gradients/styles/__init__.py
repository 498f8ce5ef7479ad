"""Layers, losses and rules as students write them elsewhere, seen as those of `mlp`, so that the checks can read them.

calls             how forward and backward are called, and what they return
arrays            where weights and their gradients stand, however deep
student_layer     an object with such methods, as a `Layer`
functions         a pair of functions, as such an object
left_out          which of its arguments are targets, labels or masks: constants
losses            losses of any kind, as a `Loss`; further_arguments: what they take besides outputs and targets
adapters          which of these a given object is
"""
