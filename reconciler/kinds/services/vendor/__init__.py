"""Services whose unit file is a package's."""
