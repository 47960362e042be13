"""`doctor`: whether the installation is sound, by one module for each subject of its questions."""
