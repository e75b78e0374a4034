"""Unsupervised pretraining: a query is nearer to its tracked patch than to patches of other videos."""
