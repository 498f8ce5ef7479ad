"""A report about the solutions of a whole class: who passed, which mistake was made, and how many made the same.

submissions     runs each file in a process of its own, with limits of time and memory
worker          what runs in there: the check of one file, told as JSON
results         parts that earn parts of the points; the table, the counts, the files for grading
"""
