"""Pretraining of the fine-grained network: the plan, the feeding, the loop, checkpoints and distribution."""
