"""Tests of the state directory and the lock."""
