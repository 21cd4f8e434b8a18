"""The demo: real backends, the server, and a screen to watch and play with them, on loopback."""
