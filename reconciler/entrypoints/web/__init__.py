"""The finance pages: a web server that reads Reconciler's own tables, and never Stripe."""
