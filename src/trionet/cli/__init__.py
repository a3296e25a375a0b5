"""The command line: the only code that prompts, and that decides to exit."""
