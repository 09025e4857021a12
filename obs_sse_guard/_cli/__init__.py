"""The command line: command NAME lives in the module or package NAME."""
