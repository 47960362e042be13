"""What runs on the host between applies.

Works from what apply wrote to /etc/reconciler: the spec is not needed.
"""
