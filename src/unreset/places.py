"""Objects named by their place, ``module:name``: a task's or a method's of one's own."""

from __future__ import annotations

import importlib
import operator
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from unreset import trust
from unreset.errors import UnresetError

_importing: list[str] = []  # modules that are being imported for what they define


def imported(place: str, what: str) -> Any:
    """The object at ``module:name``, found from the current folder too.

    Whoever calls this has the user's word for it: it is his own from now on (see
    :mod:`unreset.trust`).

    Args:
        place: where it is; the name may be dotted, for a class inside a class.
        what: what it shall be, ``"task"`` or ``"method"``, for the messages.

    Raises:
        UnresetError: where the module or the name is missing, or importing the module fails.
    """
    module_name, _, name = place.partition(":")
    file, here = trust.source(place), os.path.realpath(os.getcwd())
    # Where it comes from elsewhere, nothing that it imports shall come from the current folder.
    if os.getcwd() not in sys.path and (file is None or file.startswith(os.path.join(here, ""))):
        sys.path.insert(0, os.getcwd())
    _importing.append(module_name)
    try:
        module = importlib.import_module(module_name)
    except UnresetError:
        raise
    except ImportError as error:
        raise UnresetError(
            f"cannot import {module_name!r} of {what} {place!r}: {error}; it must be importable "
            f"from here, for example my_{what}.py in the current folder as my_{what}:"
            f"{'make_task' if what == 'task' else 'MyMethod'}"
        ) from error
    except (Exception, SystemExit) as error:
        raise UnresetError(
            f"importing {module_name!r} of {what} {place!r}: {told(error)}"
        ) from error
    finally:
        _importing.pop()
    try:
        found = operator.attrgetter(name)(module)
    except AttributeError as error:
        makes = "function" if what == "task" else "class"
        raise UnresetError(f"{module_name} has no {makes} {name!r} that makes a {what}") from error
    trust.remember(place)
    return found


def of(kind: type) -> str:
    """The place ``module:name`` at which a class can be found again, in another process too.

    Raises:
        UnresetError: where there is none: a class made inside a function, in a notebook or at a
            prompt, or one that is no longer what its module holds.
    """
    module_name, name = kind.__module__, kind.__qualname__
    advice = "write it at the top of a file, such as my_method.py, and import it from there"
    if "<locals>" in name:
        raise UnresetError(
            f"{kind.__name__} is defined inside a function, where resuming cannot find it: {advice}"
        )
    script = module_name in ("__main__", "__mp_main__")  # the latter: a child of multiprocessing
    main = sys.modules["__main__"]
    if script:
        if not Path(getattr(main, "__file__", None) or "").is_file():
            raise UnresetError(
                f"{name} is defined at a prompt or in a notebook, where resuming cannot find it: "
                f"{advice}"
            )
        specification = getattr(main, "__spec__", None)  # of python -m package.module
        module_name = specification.name if specification else Path(str(main.__file__)).stem
    place = f"{module_name}:{name}"
    found = imported(place, "method")
    # A script's classes are made anew when it is imported.
    again = _same_file(sys.modules[module_name], main) if script else found is kind
    if not again:
        raise UnresetError(
            f"{place} is not the class that was given: it was defined anew, or another module has "
            f"that name; start Python again, or {advice}"
        )
    return place


def _same_file(one: Any, other: Any) -> bool:
    files = [getattr(module, "__file__", None) or "" for module in (one, other)]
    return all(map(os.path.isfile, files)) and os.path.samefile(*files)


def refuse_while_importing() -> None:
    """Raise UnresetError where a module that is imported for a class in it starts to train."""
    if _importing:
        raise UnresetError(
            f"{_importing[-1]} trains or loads a run when it is imported, which resuming has to "
            'do: put that below a line "if __name__ == "__main__":"'
        )


def told(error: BaseException) -> str:
    """An exception of somebody else's code in one line, with the line of code that raised it."""
    message = " ".join(f"{type(error).__name__}: {error}".split())
    if isinstance(error, SyntaxError):  # says the line by itself
        return message
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "site-packages" not in f.filename and f.filename[0] != "<"]
    place = (own or frames)[-1]
    return f"{message} ({Path(place.filename).name}, line {place.lineno})"
