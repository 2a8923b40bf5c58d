"""The agents by the names a scenario uses for them."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from qos.agent.eviction import EvictionAgent
from qos.agent.levels import QOSLevelAgent
from qos.agent.resize import ResizeAgent
from qos.agent.restart import RestartAgent
from qos.agent.suppress import SuppressAgent

if TYPE_CHECKING:
    from collections.abc import Mapping

AgentClass = (
    type[EvictionAgent] | type[RestartAgent] | type[QOSLevelAgent] | type[ResizeAgent] | type[SuppressAgent]
)

AGENTS: Final[Mapping[str, AgentClass]] = MappingProxyType(
    {
        "eviction": EvictionAgent,
        "restart": RestartAgent,
        "qosLevels": QOSLevelAgent,
        "resize": ResizeAgent,
        "suppress": SuppressAgent,
    }
)
"""Name in ``agents:`` of a scenario → class; each says in its docstring what it must be made of."""
