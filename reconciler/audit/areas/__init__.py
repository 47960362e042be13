"""The checks, a module for each area; `people` is a room for several."""
