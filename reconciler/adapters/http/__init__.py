"""HTTP requests that end in time and take bounded memory, also if the server is hostile.

The only importer of httpcore and httpx. httpcore limits each single wait, so a server that sends a byte at intervals could
hold a request without end. Here every wait of a request ends at the request's own deadline, or soon after a stop.
"""

from __future__ import annotations
