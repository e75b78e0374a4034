"""Tracking a query box with a kernelised correlation filter."""
