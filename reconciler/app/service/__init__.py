"""`reconciler service`: the services of a spec on this host, by one module for each thing a person does."""
