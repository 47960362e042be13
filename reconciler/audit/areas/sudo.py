"""Sudo: who becomes whom by it, and whether the commands that it allows can be replaced."""
