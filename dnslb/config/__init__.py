"""Configuration: from YAML files to a frozen, validated model."""
