"""Time: whether the clock is set by somebody."""
