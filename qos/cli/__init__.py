"""The command line: parse, call the experiment, print."""
