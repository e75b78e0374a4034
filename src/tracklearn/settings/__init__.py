"""Every setting of the experiment, stated once: default, range, unit, meaning, and the section of the paper.

One module a room of the library. Error messages, the tables of config/README.md, config/schema.json and the defaults of
the library's functions follow from these classes. `python -m tracklearn.settings` writes the tables and the schema.
"""
