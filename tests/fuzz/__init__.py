"""Damaged and hostile inputs: every reader refuses them in one line, or reads them rightly.

PYTHONPATH=tests python -m fuzz [KIND ...] [--tries 300] [--first 0]
"""
