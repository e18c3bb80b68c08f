"""A secret goes nowhere by accident."""

import copy
import dataclasses
import json
import pickle
import traceback

import msgspec
import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from evenkeel.ops.secret import Secret, values_in_use

CANARY = "canary-7f3a-token"


class Settings(BaseModel):
    token: Secret


WAYS_OUT = {
    "str": str,
    "format": lambda secret: f"{secret}",
    "format with a spec": lambda secret: f"{secret:>30}",
    "percent": lambda secret: f"{secret!s}",
    "bytes": bytes,
    "iteration": list,
    "pickle": pickle.dumps,
    "oldest pickle": lambda secret: pickle.dumps(secret, protocol=0),
    "copy": copy.copy,
    "deep copy": copy.deepcopy,
    "json": json.dumps,
    "json with a default": lambda secret: json.dumps(secret, default=str),
    "msgspec": msgspec.json.encode,
    "vars": vars,
    "hash": hash,
    "dataclass": lambda secret: dataclasses.asdict(
        dataclasses.make_dataclass("Box", ["secret"])(secret)
    ),
    "pydantic dump": lambda secret: Settings(token=secret).model_dump(),
    "pydantic json": lambda secret: Settings(token=secret).model_dump_json(),
    "pydantic adapter": lambda secret: TypeAdapter(Secret).dump_json(secret),
}


@pytest.mark.parametrize("way", WAYS_OUT)
def test_every_way_out_is_closed(way):
    with pytest.raises(Exception, match=r".") as raised:
        WAYS_OUT[way](Secret(CANARY))
    assert CANARY not in "".join(traceback.format_exception(raised.value))


def test_a_refusal_says_what_to_do():
    with pytest.raises(TypeError, match=r"not formatted; \.reveal\(\) gives its text"):
        f"{Secret(CANARY)}"


def test_it_shows_that_it_is_there_and_no_more():
    secret = Secret(CANARY)
    assert repr(secret) == "Secret(***)"
    assert f"{[secret]} {Settings(token=secret)!r}".count("Secret(***)") == 2
    assert CANARY not in str(dir(secret))


def test_whoever_asks_for_the_text_gets_it():
    assert Secret(CANARY).reveal() == CANARY
    assert CANARY in values_in_use()


def test_it_is_equal_to_the_same_secret_and_to_nothing_else():
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"


def test_pydantic_takes_text_and_secrets_and_says_no_value_in_an_error():
    assert Settings(token=CANARY).token.reveal() == CANARY
    assert Settings(token=Secret(CANARY)).token.reveal() == CANARY
    with pytest.raises(ValidationError, match="a secret must be text"):
        Settings(token=5)
