"""Telling others what happens: posts to a URL, and programs that are run."""
