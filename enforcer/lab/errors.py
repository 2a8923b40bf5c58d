"""What can go wrong before a guest runs its command."""

from __future__ import annotations

from qos.errors import HostError


class LabError(HostError):
    """A guest could not be prepared or started; says what is missing and the remedy."""
