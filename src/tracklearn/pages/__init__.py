"""The HTML pages of a run: single files, with their style and their pictures inside."""
