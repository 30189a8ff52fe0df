"""What a painted mask shows: its clean colours, its soft edges, its transparency."""
