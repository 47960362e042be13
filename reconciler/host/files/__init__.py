"""Files on disk: reached without following links, written by rename, durable."""
