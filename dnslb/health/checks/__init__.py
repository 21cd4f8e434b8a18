"""The protocols that a check can speak, one file each."""
