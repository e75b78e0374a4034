"""The kinds of inputs, a module each.

A module has `write_samples(folder)`, which writes intact files; `EDITS`, the mutations that know the kind's structure;
and `read(folder, name)`, which runs every reader of the file `name`, one of those of `mutated(folder)`. It may raise
what a job prints as one line (`errors.one_line`), and asserts what holds for every result.
"""
