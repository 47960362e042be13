"""The only package that touches the host: files, processes, sockets, and our own state."""
