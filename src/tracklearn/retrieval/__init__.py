"""Retrieval without fine-tuning."""
