"""The command line: the command NAME lives in `_cli.NAME`."""
