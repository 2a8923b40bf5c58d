"""The rules of the house that a program can see (docs/decisions/0001-the-house.md)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted([*(ROOT / "qos").rglob("*.py"), *(ROOT / "enforcer").rglob("*.py")])
BOXES = {"scenario", "policy", "agent", "simulate", "record", "report", "check", "capacity"}
MANY_BOXES = {"experiment", "cli"}
LONGEST_MODULE = 350
LONGEST_FUNCTION = 50
OPENERS = {
    "qos/scenario/load.py", "qos/record/store.py", "qos/record/fleet_store.py", "qos/report/page.py",
    "enforcer/cgroupfs.py",
    "enforcer/beneath.py", "enforcer/state.py", "enforcer/procfs.py", "enforcer/logs.py",
    "enforcer/load_files.py",
}  # fmt: skip
OPENER_FOLDERS = ("enforcer/lab/",)
OPENING_CALLS = {
    "open",
    "fdopen",
    "read_text",
    "write_text",
    "read_bytes",
    "write_bytes",
    "read_parquet",
    "to_parquet",
}


def _name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _imports(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, node.lineno
            if node.module in {"qos", "enforcer"}:
                yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def _box(module: str) -> str:
    parts = module.split(".")
    if parts[0] == "enforcer":
        return "enforcer"
    return parts[1] if parts[0] == "qos" and len(parts) > 1 else ""


def _may_import(importer: str, imported: str) -> bool:
    if importer in {"", "lazy"}:
        return imported == "lazy" or importer == ""
    if imported in {"errors", importer}:
        return True
    if importer == "errors":
        return False
    if importer == "model":
        return imported == "model"
    if importer in BOXES | {"enforcer"}:
        return imported == "model"
    if importer == "experiment":
        return imported in BOXES | {"model", "enforcer"}
    return importer == "cli"


@pytest.mark.parametrize("path", MODULES, ids=_name_of)
def test_a_box_imports_the_model_and_nothing_beside_it(path: Path) -> None:
    """A box sees qos.model, qos.errors and itself; only experiment and cli see several boxes."""
    module = _name_of(path).removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    wrong = [
        f"line {line}: {imported}"
        for imported, line in _imports(path)
        if imported.split(".")[0] in {"qos", "enforcer"} and not _may_import(_box(module), _box(imported))
    ]
    assert not wrong


@pytest.mark.parametrize("path", MODULES, ids=_name_of)
def test_modules_and_functions_are_short(path: Path) -> None:
    """No module is over 350 lines and no function over 50."""
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= LONGEST_MODULE
    long = [
        f"{node.name}: {(node.end_lineno or 0) - node.lineno + 1} lines"
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > LONGEST_FUNCTION
    ]
    assert not long


@pytest.mark.parametrize("path", MODULES, ids=_name_of)
def test_files_are_opened_at_named_doors_only(path: Path) -> None:
    """Files are opened by the doors that docs/decisions/0002 names, and by nothing else."""
    name = _name_of(path)
    if name in OPENERS or name.startswith(OPENER_FOLDERS):
        pytest.skip("one of the places where files are opened")
    calls = [
        f"line {node.lineno}"
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Call)
        and (
            (isinstance(node.func, ast.Name) and node.func.id == "open")
            or (isinstance(node.func, ast.Attribute) and node.func.attr in OPENING_CALLS)
        )
    ]
    assert not calls


@pytest.mark.parametrize("path", [path for path in MODULES if path.name == "__init__.py"], ids=_name_of)
def test_init_files_hold_names_only(path: Path) -> None:
    """An __init__.py has a docstring, imports, __all__, a table of lazy names, and nothing that runs."""
    for node in _tree(path).body:
        assert _is_names(node), f"line {node.lineno}: {ast.unparse(node)[:60]}"


def _is_names(node: ast.stmt) -> bool:
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if isinstance(node, ast.If):
        return ast.unparse(node.test) == "TYPE_CHECKING" and all(_is_names(inner) for inner in node.body)
    if isinstance(node, ast.Assign):
        target, value = ast.unparse(node.targets[0]), ast.unparse(node.value)
        return target == "__all__" or (target == "__getattr__" and value.startswith("lazy_names("))
    return isinstance(node, ast.Import | ast.ImportFrom)


def test_modules_import_each_other_without_cycles() -> None:
    """Following imports at module level never leads back to the start."""
    names = {
        _name_of(path).removesuffix(".py").replace("/", ".").removesuffix(".__init__"): path
        for path in MODULES
    }
    graph = {
        module: {
            imported for imported in _top_level_imports(path) if imported in names and imported != module
        }
        for module, path in names.items()
    }
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " → ".join((*trail, module))
        if module not in done:
            for imported in sorted(graph[module]):
                visit(imported, (*trail, module))
            done.add(module)

    for module in sorted(graph):
        visit(module, ())


def _top_level_imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in _tree(path).body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_the_house_has_no_drawer_for_anything() -> None:
    """No module is called utils, helpers, common or misc."""
    assert not [_name_of(path) for path in MODULES if path.stem in {"utils", "helpers", "common", "misc"}]
