"""Fuzzers: random input of every kind, which may be refused and may never end in a traceback."""
