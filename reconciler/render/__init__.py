"""Values -> text and JSON.

People's views are fed by the public JSON form, so that a saved plan reads like a fresh one.
"""
