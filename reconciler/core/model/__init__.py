"""The parts that a kind's model is made of: resources, field types, their documentation, their paths."""
