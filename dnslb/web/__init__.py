"""HTTP on `api.listen`: metrics, and whether the server lives."""
