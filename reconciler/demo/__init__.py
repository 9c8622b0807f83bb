"""The whole thing on one machine: a shop that loses webhooks, a sweep over it, and an independent judgement of the sweep."""
