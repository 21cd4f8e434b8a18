"""Static records: owner names, RRsets, zone files."""
