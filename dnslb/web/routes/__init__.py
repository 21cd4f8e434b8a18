"""What the API can be asked, one subject a file; how a route is declared says `route.py`."""
