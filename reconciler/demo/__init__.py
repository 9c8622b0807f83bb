"""The command ``demo``: a simulated shop that loses webhooks, a sweep over it, and an independent verdict on the sweep."""
