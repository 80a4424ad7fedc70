"""The house rules that a program can check: names, lengths, and imports that point one way."""

import ast
from collections import Counter, defaultdict
from pathlib import Path

import unreset

SRC = Path(unreset.__file__).parent
FILES = {str(path.relative_to(SRC)): path for path in sorted(SRC.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text()) for name, path in FILES.items()}

#: What does not keep to a rule yet. What does so by now must leave these lists.
LONG_FILES = {
    "core/method.py",
    "core/protocols.py",
    "core/replay.py",
    "models/dynamics.py",
    "report/sections.py",
    "rewards/discriminator.py",
    "runs/checkpoint.py",
    "runs/training.py",
}
LONG_FUNCTIONS = {
    "api.py:train",
    "bench/runner.py:run",
    "deploy/policy_sight.py:seen",
    "report/maps.py:map_figure",
    "runs/training.py:__init__",
    "tasks/cube/cube_grasp_model.py:model_xml",
    "tasks/environments/adapter.py:from_environment",
}
TYPE_CHECKING = {
    "__init__.py",  # its names are imported when they are asked for
}
CIRCLES: set[str] = set()
#: Rooms by what they may know: each imports from those before it and from itself alone.
DOORS = {
    "core": {
        "report",
        "runs",
        "bench",
        "cli",
        "drivers",
        "evaluation",
        "methods",
        "demos",
        "tasks",
    },
    "tasks": {"demos", "drivers", "evaluation", "methods", "report", "runs", "bench", "cli"},
    "demos": {"drivers", "evaluation", "methods", "report", "runs", "bench", "cli"},
    "methods": {"drivers", "evaluation", "report", "runs", "bench", "cli", "demos"},
    "drivers": {"evaluation", "methods", "report", "runs", "bench", "cli", "demos"},
    "evaluation": {"methods", "report", "runs", "bench", "cli"},
    "runs": {"report", "bench", "cli"},
    "report": {"bench", "cli"},
}


def imports(name):
    """The files of this package that a file imports anywhere in it."""
    found = set()
    for node in ast.walk(TREES[name]):
        modules = []
        if isinstance(node, ast.ImportFrom) and node.module:
            modules = [f"{node.module}.{each.name}" for each in node.names]
            modules = [each if file(each) else node.module for each in modules]
        elif isinstance(node, ast.Import):
            modules = [each.name for each in node.names]
        found |= {file(module) for module in modules}
    return found - {None, name, "__init__.py"}


def file(module):
    """The file of a module of this package; None for others."""
    if module.partition(".")[0] != "unreset":
        return None
    path = module.partition(".")[2].replace(".", "/")
    return next((n for n in (f"{path}.py", f"{path}/__init__.py") if n in FILES), None)


def circles():
    """Files that import themselves by way of others."""
    graph = {name: imports(name) for name in FILES}
    reached = defaultdict(set)
    for start, first in graph.items():
        waiting = list(first)
        while waiting:
            name = waiting.pop()
            if name not in reached[start]:
                reached[start].add(name)
                waiting += graph[name]
    return {name for name in graph if name in reached[name]}


def test_no_two_files_of_one_name():
    names = Counter(path.name for path in FILES.values())
    assert [n for n, count in names.items() if count > 1] in (["__init__.py", "__main__.py"],)


def test_files_are_short():
    found = {name for name, path in FILES.items() if path.read_text().count("\n") > 300}
    assert found <= LONG_FILES


def test_functions_are_short():
    found = {
        f"{name}:{node.name}"
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno >= 60
    }
    assert found <= LONG_FUNCTIONS


def test_nothing_is_imported_for_the_type_checker_alone():
    found = {name for name, path in FILES.items() if "if TYPE_CHECKING" in path.read_text()}
    assert found <= TYPE_CHECKING


def test_no_module_imports_itself_by_way_of_others():
    assert circles() <= CIRCLES


def test_rooms_import_one_way():
    wrong = [
        f"{name} imports {other}"
        for name in FILES
        for other in imports(name)
        if other.partition("/")[0] in DOORS.get(name.partition("/")[0], ())
    ]
    assert wrong == []
