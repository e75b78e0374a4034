"""Cells, and the tables that join them."""
