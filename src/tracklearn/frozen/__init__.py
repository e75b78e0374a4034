"""Frozen networks: what their features show on any data set, without training them further."""
