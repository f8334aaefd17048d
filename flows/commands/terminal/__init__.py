"""What all commands share on the terminal: their options, the JSON answer, tables of errors."""
