"""From YAML to a Spec, or to diagnostics with file, line and column.

Pure: all bytes come through a SourceReader.
"""
