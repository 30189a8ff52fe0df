"""Against outputs of the published implementations, where ../shared/golden is there."""
