"""Against the published implementations: their bundled outputs, and ../shared/golden where it is."""
