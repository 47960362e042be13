"""reconciler service: its commands, with modules for health, holds and the five verbs."""
