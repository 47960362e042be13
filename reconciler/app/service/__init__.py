"""`reconciler service`: the services of a spec on this host, one module for each group of its commands."""
