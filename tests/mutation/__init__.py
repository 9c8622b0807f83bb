"""Mutation tests: each small change of a rule has to make a test fail."""
