"""A report about the solutions of a whole class: who passed, which mistakes were made, and how many made each of them.

submissions     runs each file in a process of its own, with limits of time and memory
workers         those processes: how they begin, and how all of them end
limits          their limits
worker          what runs in that process: the check of one file, whose result is written as JSON
results         points for the parts of a solution; the table, the counts, the files for grading
"""
