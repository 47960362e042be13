"""Rules over a spec and a plan: what is refused before the first effect, and what is probably not meant.

Returns diagnostics.
"""
