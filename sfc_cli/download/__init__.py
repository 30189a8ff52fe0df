"""Fetching checkpoints and data sets so that they are there whole and verified, or not at all."""
