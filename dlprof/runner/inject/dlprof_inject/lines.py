"""Looks between two lines of a module, as soon as its code has made a name for the last time.

A script of a few milliseconds would be over before any other thread had its turn. Python 3.8 says when a module's code begins
to run; until the name is made its lines are watched: by sys.monitoring from 3.12 on, which costs nothing elsewhere, before that
by sys.settrace, which costs each call of a function in that time but for those of imports.
"""

import builtins
import dis
import sys

_ID = 4
"""Of sys.monitoring: none of those that are reserved for debuggers, coverage, profilers and optimisers."""

_STORES = ("STORE_NAME", "STORE_GLOBAL")


def watch(place):
    """Have `place` replace its function as soon as it is there. Nothing happens before Python 3.8."""
    if not hasattr(sys, "addaudithook"):
        return

    def hear(event, args):
        if event != "exec" or place.lines or place.session.stepper is not None:
            return
        try:
            code = args[0]
            if place.path[0] in getattr(code, "co_names", ()) and _module(sys._getframe().f_back) in (
                place.module,
                None,
            ):
                place.lines = True
                last = _last_store(code, place.path[0])
                place.lines = last is not None and _watch_lines(code, last, place)
        except Exception as error:  # noqa: BLE001  what a hook raises would end the program; the other thread looks as well
            place.lines = False
            place.session.trouble("the lines of {} cannot be watched: {!r}".format(place.module, error))

    sys.addaudithook(hear)


def _module(frame):
    """The name of the module whose code this frame runs, None where that is not told; no frame: the interpreter runs it."""
    if frame is None:
        return "__main__"
    if not frame.f_code.co_filename.startswith("<frozen importlib"):
        return None
    given = frame.f_locals.get("args") or ()
    return given[1].get("__name__", "") if len(given) > 1 and isinstance(given[1], dict) else ""


def _last_store(code, name):
    """The last line of a module's code that gives the name a value; None without one."""
    line, found = code.co_firstlineno, None
    for one in dis.get_instructions(code):
        line = (one.line_number if sys.version_info >= (3, 13) else one.starts_line) or line
        if one.opname in _STORES and one.argval == name:
            found = max(found or 0, line)
    return found


def _watch_lines(code, last, place):
    """Whether they are watched: at each line after `last`, and at the end, until the function is replaced."""
    if hasattr(sys, "monitoring"):
        return _monitored(code, last, place)
    return sys.gettrace() is None and _traced(code, last, place)


def _traced(code, last, place):
    plain = builtins.__import__

    def at_line(frame, event, arg):
        if (event == "return" or (event == "line" and frame.f_lineno > last)) and _done(place):
            sys.settrace(None)
            if builtins.__import__ is untraced:
                builtins.__import__ = plain
            return None
        return at_line

    def at_call(frame, event, arg):
        return at_line if frame.f_code is code else None

    def untraced(*args, **kwargs):
        if sys.gettrace() is not at_call:
            return plain(*args, **kwargs)
        sys.settrace(None)
        try:
            return plain(*args, **kwargs)
        finally:
            sys.settrace(at_call)

    builtins.__import__ = untraced  # importing a framework takes half as long again where each call is traced
    sys.settrace(at_call)
    return True


def _monitored(code, last, place):
    monitoring = sys.monitoring
    if monitoring.get_tool(_ID) is not None:
        return False
    monitoring.use_tool_id(_ID, "dlprof")
    events = monitoring.events

    def end():
        monitoring.set_local_events(_ID, code, 0)
        for event in (events.LINE, events.PY_RETURN):
            monitoring.register_callback(_ID, event, None)
        monitoring.free_tool_id(_ID)

    def at_line(found, line):
        if line > last and _done(place):
            end()

    def at_return(found, offset, value):
        if _done(place):
            end()

    monitoring.register_callback(_ID, events.LINE, at_line)
    monitoring.register_callback(_ID, events.PY_RETURN, at_return)
    monitoring.set_local_events(_ID, code, events.LINE | events.PY_RETURN)
    return True


def _done(place):
    """Replace the function if the module has it by now."""
    if place.held() is None:
        return False
    place.replace()
    return True
