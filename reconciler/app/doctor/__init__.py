"""`doctor`: whether the installation is sound; the questions about the state have a module of their own."""
