"""The experiment that a configuration describes: checked, and turned into the plan of its files."""
