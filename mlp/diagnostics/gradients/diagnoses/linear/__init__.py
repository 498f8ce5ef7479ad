"""Backward as a linear map of grad_outputs: is it one, which outputs count, and which windows belong to them?"""
