"""tar, and the directories that archives lie in and are unpacked into."""
