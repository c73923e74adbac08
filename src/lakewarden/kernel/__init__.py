"""Pure values that every context shares. No input or output, no clock, no randomness: they are arguments."""
