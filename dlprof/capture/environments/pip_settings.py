"""What the user has set for pip: index, extra indexes, find-links, constraints, certificates, proxies. Handed on to uv, which
does not read it by itself.

pip's order, the last one counts: its files for the machine, the user and the virtual environment, the file that PIP_CONFIG_FILE
names, then PIP_* variables; in the files the section of `pip install` before [global]. What is set for uv itself goes first.
"""

from __future__ import annotations

import configparser
import os
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import platformdirs

_LISTS: Final = ("extra-index-url", "find-links", "constraint", "trusted-host")
_OTHERS: Final = ("index-url", "no-index", "cert", "client-cert", "proxy", "timeout", "retries")
_SECTIONS: Final = ("global", "install")
_SECONDARY: Final = {"default-timeout": "timeout"}
"""Other names that pip takes for an option."""
MACHINE: Final = Path("/etc/pip.conf")
"""pip's file for the machine, beside those in XDG_CONFIG_DIRS."""
UNSAFE: Final = "unsafe-best-match"
"""uv's name for pip's way: all indexes are asked, not only the first that has the package. With a lock, hashes decide."""

_UV: Final = {
    "index-url": ("UV_DEFAULT_INDEX", "UV_INDEX_URL"),
    "extra-index-url": ("UV_EXTRA_INDEX_URL", "UV_INDEX"),
    "find-links": ("UV_FIND_LINKS",),
    "no-index": ("UV_NO_INDEX",),
    "constraint": ("UV_CONSTRAINT",),
    "trusted-host": ("UV_INSECURE_HOST",),
    "timeout": ("UV_HTTP_TIMEOUT", "UV_REQUEST_TIMEOUT"),
    "retries": ("UV_HTTP_RETRIES",),
    "cert": ("SSL_CERT_FILE", "SSL_CERT_DIR"),
    "client-cert": ("SSL_CLIENT_CERT",),
    "proxy": ("ALL_PROXY",),
}
"""pip's option → the variable that tells uv the same, and others by which the user may have told uv already."""
_UV_KEYS: Final = {
    "index-url": ("index-url", "index"),
    "extra-index-url": ("extra-index-url", "index"),
    "find-links": ("find-links",),
    "no-index": ("no-index",),
    "constraint": ("constraint-dependencies",),
    "trusted-host": ("allow-insecure-host",),
}
"""pip's option → keys of uv.toml, top level or [pip], by which the user may have told uv already."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One option of pip's as the user has set it. origin: the file or variable that set it."""

    values: tuple[str, ...]
    origin: str


def read(environ: Mapping[str, str] | None = None, prefix: Path | None = None) -> dict[str, Setting]:
    """Option (find-links, …) → what is set for it, of those that uv is told.

    environ: variables; default those of this process. prefix: the virtual environment whose pip.conf counts; default this one.
    """
    environ = os.environ if environ is None else environ
    found: dict[str, Setting] = {}
    by_section: dict[str, dict[str, Setting]] = {section: {} for section in _SECTIONS}
    for path in _files(environ, prefix or Path(sys.prefix)):
        for section, options in _parsed(path).items():
            by_section[section].update(options)
    for section in _SECTIONS:
        found.update(by_section[section])
    for name, value in environ.items():
        option = name.removeprefix("PIP_").lower().replace("_", "-")
        if name.startswith("PIP_") and value.strip():
            found.update(_setting(option, value, name))
    return found


def _files(environ: Mapping[str, str], prefix: Path) -> Iterator[Path]:
    own = environ.get("PIP_CONFIG_FILE")
    if own == os.devnull:
        return
    folders = environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    yield from (Path(folder) / "pip" / "pip.conf" for folder in folders.split(os.pathsep))
    yield MACHINE
    if not (own and Path(own).exists()):
        home = Path(environ.get("HOME") or Path.home())
        yield home / ".pip" / "pip.conf"
        configured = environ.get("XDG_CONFIG_HOME")
        yield (Path(configured) if configured else home / ".config") / "pip" / "pip.conf"
    yield prefix / "pip.conf"
    if own:
        yield Path(own)


def _parsed(path: Path) -> dict[str, dict[str, Setting]]:
    """Section → option → setting. A file that is not there, or that pip itself could not read, sets nothing."""
    parser = configparser.RawConfigParser()
    try:
        parser.read(path, encoding="utf-8")
    except (OSError, UnicodeError, configparser.Error):
        return {}
    found: dict[str, dict[str, Setting]] = {}
    for section in _SECTIONS:
        if parser.has_section(section):
            options: dict[str, Setting] = {}
            for name, value in parser.items(section):
                if value.strip():
                    options.update(_setting(name.lower().lstrip("-").replace("_", "-"), value, str(path)))
            found[section] = options
    return found


def _setting(option: str, value: str, origin: str) -> dict[str, Setting]:
    option = _SECONDARY.get(option, option)
    if option in _LISTS:
        return {option: Setting(tuple(value.split()), origin)}
    return {option: Setting((value.strip(),), origin)} if option in _OTHERS else {}


def for_uv(
    settings: Mapping[str, Setting], environ: Mapping[str, str] | None = None, indexes: tuple[str, ...] = ()
) -> dict[str, str]:
    """The variables that tell uv the same. None for what the user has told uv itself, by a variable or in uv.toml.

    indexes: further indexes to ask (plugin.EnvSpec.indexes).
    """
    environ = os.environ if environ is None else environ
    told = _told(environ)
    told_uv = {
        option: setting
        for option, setting in settings.items()
        if option not in told and not any(environ.get(name) for name in _UV[option])
    }
    found: dict[str, str] = {}
    for option, setting in told_uv.items():
        found.update(_as_variables(option, setting.values))
    if indexes and found.get("UV_NO_INDEX") != "1":
        before = found.get("UV_EXTRA_INDEX_URL") or environ.get("UV_EXTRA_INDEX_URL")
        found["UV_EXTRA_INDEX_URL"] = " ".join((*(before.split() if before else ()), *indexes))
    if "UV_EXTRA_INDEX_URL" in found and not environ.get("UV_INDEX_STRATEGY"):
        found["UV_INDEX_STRATEGY"] = UNSAFE
    return found


def _as_variables(option: str, values: tuple[str, ...]) -> dict[str, str]:
    name = _UV[option][0]
    if option == "find-links":
        return {name: ",".join(map(_absolute, values))}
    if option == "constraint":
        return {name: " ".join(map(_absolute, values))}
    if option == "no-index":
        return {name: "1"} if values[0].lower() in ("1", "y", "yes", "t", "true", "on") else {}
    if option == "cert":
        path = Path(values[0]).expanduser().absolute()
        return {"SSL_CERT_DIR" if path.is_dir() else name: str(path)}
    if option == "proxy":
        proxy = values[0] if "://" in values[0] else f"http://{values[0]}"
        return {"HTTPS_PROXY": proxy, "HTTP_PROXY": proxy, name: proxy}
    if option == "client-cert":
        return {name: _absolute(values[0])}
    return {name: " ".join(values)}


def _absolute(place: str) -> str:
    """A URL as it is; a path from where the user stands, since uv is run elsewhere."""
    return place if "://" in place else str(Path(place).expanduser().absolute())


def _told(environ: Mapping[str, str]) -> set[str]:
    """The options that the user's uv.toml sets."""
    own = environ.get("UV_CONFIG_FILE")
    if environ.get("UV_NO_CONFIG"):
        return set()
    places = [Path(own)] if own else [Path("/etc/uv/uv.toml"), platformdirs.user_config_path("uv") / "uv.toml"]
    keys: set[str] = set()
    for path in places:
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeError, tomllib.TOMLDecodeError):
            continue
        keys |= {*table, *table.get("pip", {})}
    return {option for option, names in _UV_KEYS.items() if keys.intersection(names)}
