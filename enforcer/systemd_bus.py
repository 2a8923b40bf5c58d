"""systemd's manager over D-Bus: transient units with properties, by jeepney, without a C build.

Source: org.freedesktop.systemd1(5).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal, Self

from enforcer.unit_properties import Property
from qos.errors import HostError

Bus = Literal["SYSTEM", "SESSION"]

_NAME: Final = "org.freedesktop.systemd1"
_PATH: Final = "/org/freedesktop/systemd1"
_MANAGER: Final = "org.freedesktop.systemd1.Manager"
_REPLY_SECONDS: Final = 25.0  # D-Bus's own default
_GONE: Final = frozenset({"org.freedesktop.systemd1.NoSuchUnit", "org.freedesktop.systemd1.LoadFailed"})
_THERE: Final = "org.freedesktop.systemd1.UnitExists"


class SystemdError(HostError):
    """systemd refused, or is not there; says what was asked of it."""

    def __init__(self, asked: str, name: str, message: str) -> None:
        super().__init__(f"systemd: {asked}: {message or name}")
        self.name = name


class SystemdBus:
    """A connection to systemd's manager; usable as a context manager.

    Args:
        bus: "SYSTEM" for PID 1, "SESSION" for the user's own manager.

    Raises:
        SystemdError: systemd is not PID 1, its bus does not answer, or jeepney is not installed.
    """

    def __init__(self, bus: Bus = "SYSTEM") -> None:
        if not os.path.isdir("/run/systemd/system"):  # noqa: PTH112 - sd_booted(3), word by word
            raise SystemdError("connect", "", "systemd is not PID 1 here; use --cgroup-driver cgroupfs")
        try:
            from jeepney import DBusAddress, MatchRule, message_bus  # noqa: PLC0415 - an extra
            from jeepney.io.blocking import open_dbus_connection  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise SystemdError(
                "connect", "", "the D-Bus library is missing: pip install 'qos[systemd]'"
            ) from error
        try:
            self._connection = open_dbus_connection(bus=bus, auth_timeout=_REPLY_SECONDS)
        except (OSError, KeyError, ValueError) as error:
            raise SystemdError("connect", "", f"the {bus.lower()} bus does not answer: {error}") from error
        self._manager = DBusAddress(_PATH, bus_name=_NAME, interface=_MANAGER)
        self._finished = MatchRule(type="signal", interface=_MANAGER, member="JobRemoved", path=_PATH)
        self._send(message_bus.AddMatch(self._finished), "watch jobs")
        self._call("Subscribe")

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def version(self) -> str:
        """The version, as "252.38-1~deb12u1".

        Raises:
            SystemdError: it does not answer.
        """
        return str(self._get(_PATH, _MANAGER, "Version"))

    def is_active(self, unit: str) -> bool:
        """Whether the unit is loaded and active.

        Raises:
            SystemdError: systemd does not answer.
        """
        try:
            (path,) = self._call("GetUnit", "s", (unit,))
            return bool(self._get(path, f"{_NAME}.Unit", "ActiveState") == "active")
        except SystemdError as error:
            if error.name in _GONE:
                return False
            raise

    def start(self, unit: str, properties: Sequence[Property]) -> bool:
        """Start a transient unit, or one a unit file describes, and wait until it is active.

        Returns:
            True if started, False if a unit of this name was there.

        Raises:
            SystemdError: a property systemd does not take, or the unit did not come up.
        """
        try:
            self._job("StartTransientUnit", "ssa(sv)a(sa(sv))", (unit, "fail", list(properties), []))
        except SystemdError as error:
            if error.name != _THERE:
                raise
            if self.is_active(unit):
                return False
            self._job("StartUnit", "ss", (unit, "fail"))
            self.set_properties(unit, properties)
        return True

    def stop(self, unit: str) -> bool:
        """Stop a unit and wait until it has ended; False if it was not there.

        Raises:
            SystemdError: systemd refused.
        """
        try:
            self._job("StopUnit", "ss", (unit, "replace"))
        except SystemdError as error:
            if error.name in _GONE:
                return False
            raise
        return True

    def set_properties(self, unit: str, properties: Iterable[Property]) -> None:
        """Change properties of a unit until it is stopped or the machine is booted again.

        Raises:
            SystemdError: no such unit, or a property systemd does not take.
        """
        self._call("SetUnitProperties", "sba(sv)", (unit, True, list(properties)))

    def reload(self) -> None:
        """``systemctl daemon-reload``: units are read anew and their cgroups written again.

        Raises:
            SystemdError: not permitted.
        """
        self._call("Reload")

    def _job(self, method: str, signature: str, body: tuple[Any, ...]) -> None:
        """Call a method that returns a job and wait for that job's end."""
        with self._connection.filter(self._finished, bufsize=1024) as finished:
            (job,) = self._call(method, signature, body)
            while True:
                try:
                    signal = self._connection.recv_until_filtered(finished, timeout=_REPLY_SECONDS)
                except TimeoutError as error:
                    raise SystemdError(f"{method} {body[0]}", "", "the job did not end") from error
                _, path, unit, result = signal.body
                if path == job:
                    break
        if result != "done":
            raise SystemdError(f"{method} {unit}", "", f"the job ended as {result}")

    def _get(self, path: str, interface: str, name: str) -> Any:
        from jeepney import DBusAddress, Properties  # noqa: PLC0415 - an extra

        owner = Properties(DBusAddress(path, bus_name=_NAME, interface=interface))
        ((_, value),) = self._send(owner.get(name), f"read {name}")
        return value

    def _call(self, method: str, signature: str | None = None, body: tuple[Any, ...] = ()) -> tuple[Any, ...]:
        from jeepney import new_method_call  # noqa: PLC0415 - an extra

        asked = f"{method} {body[0]}" if body else method
        return self._send(new_method_call(self._manager, method, signature, body), asked)

    def _send(self, message: Any, asked: str) -> tuple[Any, ...]:
        from jeepney import DBusErrorResponse  # noqa: PLC0415 - an extra
        from jeepney.wrappers import unwrap_msg  # noqa: PLC0415 - an extra

        try:
            reply = self._connection.send_and_get_reply(message, timeout=_REPLY_SECONDS)
            body: tuple[Any, ...] = unwrap_msg(reply)
        except DBusErrorResponse as error:
            said = error.data[0] if error.data else ""
            raise SystemdError(asked, error.name, str(said)) from error
        except (OSError, TimeoutError) as error:
            raise SystemdError(asked, "", f"no answer: {error}") from error
        return body
