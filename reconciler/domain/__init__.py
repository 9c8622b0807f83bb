"""The rules about money. Pure: no clock, no input or output, no settings, no logging, the standard library only."""
