"""From a data set's frames and first masks to the masks of all frames, on disk."""
