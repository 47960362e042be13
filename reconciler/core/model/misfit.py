"""An error of a whole resource that has its place in one of its fields."""

from __future__ import annotations


class Misfit(ValueError):
    """A value that does not fit the others of its resource. `path` leads to it, from the resource."""

    def __init__(self, message: str, *path: str | int) -> None:
        super().__init__(message)
        self.path = path
