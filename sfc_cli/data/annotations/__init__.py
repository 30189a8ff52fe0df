"""Masks as annotation tools store them: polygons, run lengths and arrays, with names for their objects."""
