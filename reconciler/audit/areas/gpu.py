"""GPUs: who can open the devices."""
