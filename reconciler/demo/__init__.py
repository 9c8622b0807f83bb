"""The whole thing on one machine: a shop that loses webhooks, a pass over it, and an independent judgement of the pass."""
