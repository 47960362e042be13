"""Use cases: load, observe, plan, apply composed. The only place where everything meets."""
