"""`reconciler backup`: find the job that an apply wrote down, carry a command out, and report it as data.

One module for each command.
"""
