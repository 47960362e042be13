"""The security audit: checks of a host against what is safe and what its spec declares.

`areas` has the checks, a module for each area; `registry` finds them, `run` runs them on `facts`, and the
outcome is a `model.Report`, whose public form (`report`) every output is made from.
"""
