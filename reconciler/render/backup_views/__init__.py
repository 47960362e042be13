"""Texts and schemas of the commands of `backup`."""
