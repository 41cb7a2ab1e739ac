"""What follows from the Streamlit options of an app: where it answers, what is overruled, what is said of it."""

from __future__ import annotations

import msgspec
import pytest

from gitrelease.core.settings import Instance
from gitrelease.core.streamlit_config import Option, StreamlitConfig, of_tls, overruled, remarks
from gitrelease.edges.backends import Backend
from gitrelease.edges.probes import Endpoint

FILE = ".streamlit/config.toml"


def config(**options: object) -> StreamlitConfig:
    """Return options that a file sets; `server_port` stands for server.port."""
    return StreamlitConfig(options={name.replace("_", "."): Option(value, FILE) for name, value in options.items()})


@pytest.mark.parametrize(
    ("value", "base"),
    [
        ("", ""), ("/", ""), ("fin", "/fin"), ("/fin/", "/fin"), ("a/b", "/a/b"), ("größe", "/gr%C3%B6%C3%9Fe"),
        ("two words", "/two%20words"), ("a?b#c", "/a%3Fb%23c"),
    ],
)  # fmt: skip
def test_a_base_path_is_what_stands_in_a_url(value, base):
    assert config(server_baseUrlPath=value).base == base


def test_tls_takes_both_files():
    assert config(server_sslCertFile="c", server_sslKeyFile="k").tls
    assert not config(server_sslCertFile="c").tls
    assert not config(server_sslCertFile="", server_sslKeyFile="").tls


def test_a_port_or_an_address_that_an_instance_has_is_not_overruled():
    instances = [Instance(port=8501), Instance(port=8502, address="192.0.2.1")]

    assert overruled(config(server_port=8502, server_address="192.0.2.1"), instances) == []
    found = overruled(config(server_port=9000, server_address="::"), instances)
    assert [what.split(" is ")[0] for what, _ in found] == [
        f"server.port = 9000 ({FILE})",
        f'server.address = "::" ({FILE})',
    ]
    assert "127.0.0.1:8501 and 192.0.2.1:8502" in found[0][0]
    assert "gitrelease init --port 9000" in found[0][1]
    assert 'address = "::" under [[instance]]' in found[1][1]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"server_headless": False}, "server.headless = false"),
        ({"server_runOnSave": True}, "server.runOnSave = true"),
        ({"server_fileWatcherType": "poll"}, 'server.fileWatcherType = "poll"'),
        ({"server_headless": True, "server_runOnSave": False, "server_fileWatcherType": "none"}, None),
    ],
)
def test_how_an_app_is_started_is_overruled_and_said_where_it_differs(options, said):
    found = overruled(config(**options), [Instance()])

    assert [what.partition(" (")[0] for what, _ in found] == ([said] if said else [])
    assert all("take the option out" in remedy for _, remedy in found)


def test_tls_is_remarked_upon_and_nothing_else_that_is_honoured():
    both = config(server_sslCertFile="c", server_sslKeyFile="k", server_baseUrlPath="fin", server_maxUploadSize=5)

    assert [what for what, _ in remarks(both, [Instance()])] == [of_tls(both)]
    assert remarks(config(server_baseUrlPath="fin"), [Instance()]) == []


def test_the_way_there_names_each_option_with_its_file():
    assert config(server_baseUrlPath="fin", server_port=1).way_there == f'server.baseUrlPath = "fin" ({FILE})'


def test_a_backend_that_an_older_version_wrote_down_answers_at_the_root_and_without_tls():
    written = b"""{"id":"i","commit":"c","slot":"a","port":5,"log":"l","identity":{"pid":1,"started":2,"boot":"b"}}"""

    assert msgspec.json.decode(written, type=Backend).endpoint == Endpoint(5, base="", tls=False)
