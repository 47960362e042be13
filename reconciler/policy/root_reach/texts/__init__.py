"""Texts that root reads: which files they make root run or load, and which accounts they make root outright.

A module for each sort.
"""
