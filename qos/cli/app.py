"""The `qos` command: registers every command, turns expected errors into one line and an exit code.

Exit codes: 0 fine, 1 differs or failed, 2 bad input or host. stdout is data, stderr is talk.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final

import typer
from typer.core import TyperGroup

from qos.cli.adopt import adopt
from qos.cli.apply import apply, delete, diff, get
from qos.cli.check import test
from qos.cli.control import freeze, kill, restart, thaw
from qos.cli.explain import explain
from qos.cli.importing import import_
from qos.cli.lab import doctor, lab
from qos.cli.plan import plan_app
from qos.cli.record import record
from qos.cli.report import compare, report
from qos.cli.run import CONTEXT, run
from qos.cli.schema import schema
from qos.cli.simulate import simulate
from qos.cli.top import top
from qos.cli.validate import validate
from qos.cli.version import version
from qos.errors import QosError

COMMANDS: Final[tuple[Callable[..., None], ...]] = (
    explain, import_, simulate, validate, test, report, compare, apply, diff, get, delete, run, adopt, freeze,
    thaw, kill, restart, top, record, doctor, lab, schema, version,
)  # fmt: skip
"""Every command, in the order of `qos --help`: what to know, what would be, what is, and about qos itself."""

_TAKES_A_COMMAND: Final = (run, lab)
_BEFORE_REPORT: Final = "plan"


class InOrder(TyperGroup):
    """Commands in the order of :data:`COMMANDS`; `qos plan`, which has commands of its own, among them."""

    def list_commands(self, _context: object) -> list[str]:
        """Names as `qos --help` shows them."""
        names = [name for name in self.commands if name != _BEFORE_REPORT]
        names.insert(names.index("report"), _BEFORE_REPORT)
        return names


app = typer.Typer(
    name="qos",
    cls=InOrder,
    help="Kubernetes resource QoS: exact cgroup values, a prediction of contention, enforcement; one plan.",
    epilog="Exit codes: 0 fine, 1 differs or failed, 2 bad input or host. README.md has a first walk.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
for command in COMMANDS:
    # import_ is a word of Python's without its underscore
    name = command.__name__.rstrip("_").replace("_", "-")
    app.command(name, context_settings=CONTEXT if command in _TAKES_A_COMMAND else None)(command)
app.add_typer(plan_app, name="plan")


def main(argv: list[str] | None = None) -> None:
    """Run the command line; an expected failure is a line on stderr and an exit code, never a traceback."""
    try:
        app(argv)
    except QosError as error:
        print("\n".join(f"qos: {line}" for line in str(error).splitlines()), file=sys.stderr)
        sys.exit(error.exit_code)
