"""One file per command: parse, call app, render; nothing else. Heavy imports live in the commands, so that --version stays quick."""
