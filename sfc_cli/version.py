"""The version of sfc, which every room may name; the package's face stands above them all."""

__version__ = "0.1.0"
