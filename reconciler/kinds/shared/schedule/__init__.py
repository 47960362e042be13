"""Jobs that run by the clock: the field of a spec, the parts of a job, its state on a host, its checks."""
