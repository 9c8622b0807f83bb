"""The statement of a period: what the merchant's table calls paid, what Stripe received, and what explains the difference."""
