"""Supervised pretraining, for the rows that start from ImageNet."""
