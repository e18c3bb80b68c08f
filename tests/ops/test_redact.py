"""What should never have been in a log is taken out of it again."""

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenkeel.ops import secret
from evenkeel.ops.redact import redacted, redacted_text, without_password
from evenkeel.ops.secret import Secret

CANARY = Secret('cañary/"9f%&')


@pytest.fixture(autouse=True)
def one_known_secret():
    Secret(CANARY.reveal())  # each test forgets all that others knew


@pytest.mark.parametrize(
    "form",
    [
        CANARY.reveal(),
        quote(CANARY.reveal(), safe=""),
        json.dumps(CANARY.reveal())[1:-1],
        json.dumps({"a": CANARY.reveal()}),
        base64.b64encode(CANARY.reveal().encode()).decode(),
        CANARY.reveal().encode().hex(),
        repr({"a": CANARY.reveal()}),
    ],
)
def test_a_known_secret_is_found_in_every_form(form):
    out = redacted_text(f"before {form} after")
    assert "***" in out
    assert form not in out
    assert out.startswith("before ")
    assert out.endswith(" after")


def test_a_longer_secret_is_found_before_one_that_it_begins_with():
    Secret("begin-7781"), Secret("begin-7781-and-more")
    assert redacted_text("x begin-7781-and-more x") == "x *** x"


def test_a_short_secret_does_not_tear_words_apart():
    Secret("the")
    assert redacted_text("the weather") == "the weather"


@given(st.text(min_size=6, max_size=40).filter(lambda text: text.strip("*")))
def test_no_known_value_is_ever_left(text):
    secret._revealable.clear()
    Secret(text)
    assert text not in redacted_text(f"<{text}>{text}") or set(text) <= set("<>*")


TELLING = [
    *("password", "passphrase", "db_password", "api_key", "API-KEY", "apikey", "x.token", "tokens"),
    *("Authorization", "secret", "client_secret", "private_key", "account_number", "cookie"),
]


@pytest.mark.parametrize("name", TELLING)
def test_what_stands_under_a_telling_name_is_hidden(name):
    assert redacted({"outer": [{name: 12345}]}) == {"outer": [{name: "***"}]}
    assert redacted({name: None}) == {name: None}


@pytest.mark.parametrize(
    "name", ["key_id", "tokenizer", "order", "account", "passes", "key", "monkey", "secretary"]
)
def test_what_stands_under_another_name_is_shown(name):
    assert redacted({name: "x1"}) == {name: "x1"}


def test_values_inside_of_anything_are_found():
    hidden = CANARY.reveal()
    assert redacted([(hidden,), {hidden}, {"a": [f"x{hidden}"]}, 5, None]) == [
        *(["***"], ["***"], {"a": ["x***"]}, 5, None)
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://ada:hunter2@db/evenkeel", "postgresql://ada:***@db/evenkeel"),
        ("postgresql://:hunter2@db/evenkeel", "postgresql://:***@db/evenkeel"),
        ("postgresql://ada@db/evenkeel", "postgresql://ada@db/evenkeel"),
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("postgresql:///x?user=ada&password=hunter2", "postgresql:///x?user=ada&password=***"),
        (
            "https://a.example/q?symbol=IBM&apikey=ABC123&x=1",
            "https://a.example/q?symbol=IBM&apikey=***&x=1",
        ),
        ("sqlite:///evenkeel.db", "sqlite:///evenkeel.db"),
    ],
)
def test_an_address_shows_no_password(text, shown):
    assert without_password(text) == shown
    assert redacted_text(f"cannot open {text} today") == f"cannot open {shown} today"


def test_a_header_shows_no_token():
    assert redacted_text("Authorization: Bearer abc.def-123") == "Authorization: Bearer ***"
    assert redacted_text("basic research") == "basic research"
