"""The reference implementation's command line: flags, data, runs and the files that they leave."""
