"""Recognising and masking secrets."""
