"""Health: checks probe, results become verdicts, verdicts and load become standings."""
