"""Jobs that run on the host between applies.

They work from what apply wrote to /etc/reconciler: the spec is not needed.
"""
