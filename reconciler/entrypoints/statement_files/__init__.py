"""A statement as JSON, text, HTML and xlsx, for the command line and the web pages."""
