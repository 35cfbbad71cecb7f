"""The wire format: what is sent, and answers of several servers."""

from __future__ import annotations

import msgspec

from centerlm.models.base import Message, Prompt, Sampling
from centerlm.models.wire import Answer, Collected, read_choice, request_body

PROMPT = Prompt((Message("user", "Who?"),))


def sent(sampling: Sampling, **settings: object) -> dict[str, object]:
    return msgspec.json.decode(request_body("m", PROMPT, sampling, **settings))  # pyright: ignore


def test_only_what_differs_from_the_defaults_is_sent() -> None:
    assert sent(Sampling(7)) == {
        "model": "m",
        "messages": [{"role": "user", "content": "Who?"}],
        "max_tokens": 7,
        "temperature": 0.0,
        "seed": 0,
    }


def test_settings_of_an_endpoint() -> None:
    body = sent(
        Sampling(7, logprobs=True),
        max_tokens_name="max_completion_tokens",
        token_ids=True,
        extra={"top_k": 1, "seed": None},
    )
    assert body["max_completion_tokens"] == 7 and "max_tokens" not in body
    assert body["top_k"] == 1 and "seed" not in body
    assert body["logprobs"] is body["return_token_ids"] is True


def test_token_ids_and_logprobs_of_a_whole_answer() -> None:
    data = b"""{"id": "x", "model": "m", "prompt_token_ids": [1], "choices": [{"index": 0,
      "message": {"role": "assistant", "content": "ab", "tool_calls": []}, "token_ids": [5, 6],
      "logprobs": {"content": [{"token": "a", "logprob": -0.5, "top_logprobs": []},
                               {"token": "b", "logprob": -1.5}]},
      "finish_reason": "length", "stop_reason": null}],
      "usage": {"prompt_tokens": 3, "completion_tokens": 2, "prompt_tokens_details": null}}"""
    choice = read_choice(msgspec.json.decode(data, type=Answer).choices[0])
    assert (choice.text, choice.finish) == ("ab", "length")
    assert (choice.token_ids, choice.logprobs) == ((5, 6), (-0.5, -1.5))


def test_an_answer_without_content_is_empty() -> None:
    data = b'{"choices": [{"message": {"content": null}, "finish_reason": "length"}]}'
    choice = read_choice(msgspec.json.decode(data, type=Answer).choices[0])
    assert (choice.text, choice.finish, choice.token_ids) == ("", "length", None)


def test_streamed_pieces_add_up() -> None:
    events = [
        b'{"choices": [{"delta": {"role": "assistant"}}]}',
        b'{"choices": [{"delta": {"content": "a"}, "token_ids": [5]}]}',
        b'{"choices": [{"delta": {"content": "b"}, "token_ids": [6, 7],'
        b' "logprobs": {"content": [{"logprob": -1.0}]}}]}',
        b'{"choices": [{"delta": {}, "finish_reason": "stop"}]}',
    ]
    collected = Collected()
    for event in events:
        collected.add(msgspec.json.decode(event, type=Answer).choices[0])
    choice = collected.choice()
    assert (choice.text, choice.finish) == ("ab", "stop")
    assert (choice.token_ids, choice.logprobs) == ((5, 6, 7), (-1.0,))
