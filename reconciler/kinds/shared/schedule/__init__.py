"""Whatever runs by the clock: the field of a spec, the part it becomes, its state on a host, its faults."""
