"""The networks and the propagation routine: tensors in, tensors out; no printing."""
