"""pip's settings, as pip reads them, and what uv is told of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dlprof.capture.environments import pip_settings
from dlprof.capture.environments.pip_settings import Setting


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Variables of a user whose home and machine-wide folders are empty."""
    monkeypatch.setattr(pip_settings, "MACHINE", tmp_path / "etc" / "pip.conf")
    (tmp_path / "xdg" / "pip").mkdir(parents=True)
    (tmp_path / ".config" / "pip").mkdir(parents=True)
    (tmp_path / "venv").mkdir()
    return {"HOME": str(tmp_path), "XDG_CONFIG_DIRS": str(tmp_path / "xdg"), "UV_NO_CONFIG": "1"}


def read(home: dict[str, str], **more: str) -> dict[str, tuple[str, ...]]:
    found = pip_settings.read({**home, **more}, Path(home["HOME"]) / "venv")
    return {name: setting.values for name, setting in found.items()}


def write(home: dict[str, str], place: str, text: str) -> Path:
    path = Path(home["HOME"]) / place
    path.write_text(text)
    return path


MACHINE, USER, VENV = "xdg/pip/pip.conf", ".config/pip/pip.conf", "venv/pip.conf"


def test_a_later_file_replaces_an_option_of_an_earlier_one_and_a_variable_all(home: dict[str, str]) -> None:
    for place, folder in ((MACHINE, "/machine"), (USER, "/user"), (VENV, "/venv")):
        write(home, place, f"[global]\nfind-links = {folder}\n")
    assert read(home) == {"find-links": ("/venv",)}
    own = write(home, "own.conf", "[global]\nfind-links = /own\n")
    assert read(home, PIP_CONFIG_FILE=str(own)) == {"find-links": ("/own",)}
    assert read(home, PIP_FIND_LINKS="/variable /second") == {"find-links": ("/variable", "/second")}
    assert read(home, PIP_CONFIG_FILE=os.devnull) == {}


def test_the_users_file_does_not_count_beside_one_that_is_named(home: dict[str, str]) -> None:
    write(home, USER, "[global]\nproxy = proxy.example:3128\n")
    own = write(home, "own.conf", "[global]\ncert = /own.pem\n")
    assert read(home, PIP_CONFIG_FILE=str(own)) == {"cert": ("/own.pem",)}


def test_the_section_of_install_goes_before_global_whatever_the_file(home: dict[str, str]) -> None:
    write(home, MACHINE, "[install]\nno-index = yes\nindex-url = https://install.example/simple\n")
    write(home, VENV, "[global]\nindex_url = https://global.example/simple\ntimeout = 7\n[download]\nproxy = x\n")
    assert read(home) == {"no-index": ("yes",), "index-url": ("https://install.example/simple",), "timeout": ("7",)}


def test_lists_stand_on_several_lines_and_empty_values_set_nothing(home: dict[str, str]) -> None:
    write(home, USER, "[global]\nextra-index-url =\n    https://one.example\n    https://two.example\ncert =\n")
    assert read(home, PIP_PROXY=" ") == {"extra-index-url": ("https://one.example", "https://two.example")}


def test_a_file_that_pip_could_not_read_sets_nothing(home: dict[str, str]) -> None:
    write(home, USER, "find-links without a section\n")
    assert read(home) == {}


def uv(environ: dict[str, str] | None = None, indexes: tuple[str, ...] = (), **settings: str) -> dict[str, str]:
    told = {name.replace("_", "-"): Setting(tuple(value.split()), "here") for name, value in settings.items()}
    return pip_settings.for_uv(told, {"UV_NO_CONFIG": "1", **(environ or {})}, indexes)


@pytest.mark.parametrize(
    ("settings", "variables"),
    [
        ({"index_url": "https://a.example/simple"}, {"UV_DEFAULT_INDEX": "https://a.example/simple"}),
        (
            {"extra_index_url": "https://a.example https://b.example"},
            {
                "UV_EXTRA_INDEX_URL": "https://a.example https://b.example",
                "UV_INDEX_STRATEGY": "unsafe-best-match",
            },
        ),
        ({"find_links": "/wheels https://a.example/w"}, {"UV_FIND_LINKS": "/wheels,https://a.example/w"}),
        ({"no_index": "true"}, {"UV_NO_INDEX": "1"}),
        ({"no_index": "false"}, {}),
        ({"constraint": "/c.txt"}, {"UV_CONSTRAINT": "/c.txt"}),
        ({"trusted_host": "a.example b.example"}, {"UV_INSECURE_HOST": "a.example b.example"}),
        ({"cert": "/own.pem"}, {"SSL_CERT_FILE": "/own.pem"}),
        ({"client_cert": "/me.pem"}, {"SSL_CLIENT_CERT": "/me.pem"}),
        (
            {"proxy": "proxy.example:3128"},
            dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"), "http://proxy.example:3128"),
        ),
        ({"timeout": "30", "retries": "2"}, {"UV_HTTP_TIMEOUT": "30", "UV_HTTP_RETRIES": "2"}),
    ],
)
def test_uv_is_told_what_pip_is(settings: dict[str, str], variables: dict[str, str]) -> None:
    assert uv(**settings) == variables


def test_a_path_is_where_the_user_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert uv(find_links="wheels") == {"UV_FIND_LINKS": str(tmp_path / "wheels")}


def test_certificates_may_be_a_folder(tmp_path: Path) -> None:
    assert uv(cert=str(tmp_path)) == {"SSL_CERT_DIR": str(tmp_path)}


def test_what_is_set_for_uv_itself_stays(tmp_path: Path) -> None:
    assert uv({"UV_FIND_LINKS": "/other"}, find_links="/wheels") == {}
    assert uv({"UV_INDEX_URL": "https://b.example"}, index_url="https://a.example") == {}
    (tmp_path / "uv.toml").write_text('[pip]\nindex-url = "https://b.example/simple"\n')
    own = {"UV_NO_CONFIG": "", "UV_CONFIG_FILE": str(tmp_path / "uv.toml")}
    assert uv(own, index_url="https://a.example", find_links="/wheels") == {"UV_FIND_LINKS": "/wheels"}


def test_indexes_of_a_framework_come_after_the_users_and_all_are_asked() -> None:
    strategy = {"UV_INDEX_STRATEGY": "unsafe-best-match"}
    further = ("https://f.example",)
    assert uv(indexes=further) == {"UV_EXTRA_INDEX_URL": "https://f.example", **strategy}
    both = {"UV_EXTRA_INDEX_URL": "https://a.example https://f.example", **strategy}
    assert uv(indexes=further, extra_index_url="https://a.example") == both
    assert uv({"UV_EXTRA_INDEX_URL": "https://a.example"}, indexes=further) == both
    assert uv(indexes=further, no_index="1") == {"UV_NO_INDEX": "1"}, "the user wants no index at all"
