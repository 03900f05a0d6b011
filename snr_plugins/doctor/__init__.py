"""Says whether this package can work in this environment, and how to mend it where it cannot."""
