"""The page of ``sfc studio``: paint the first mask, watch it propagate, correct it."""
