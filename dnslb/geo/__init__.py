"""Where addresses are: what databases know of them, and the words for places."""
