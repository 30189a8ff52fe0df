"""Reading and writing of frames, masks and data sets."""
