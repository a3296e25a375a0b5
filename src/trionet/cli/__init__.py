"""The command line: the only code that prints, prompts, reads signals and exits."""
