"""Drives the official Anthropic client: `sdk_anthropic.py BASE_URL MODEL CASE...`

`stop_sequence:REASON` expects another stop reason: a provider behind a translation may not tell which it was. `models` is
for a name that stands in the list.
"""

from typing import List, Literal

import harness
from harness import PNG, PNG_BYTES, SCHEMA, TOOLS, check, check_document, contains, equal, raises, words

import anthropic
from anthropic import Anthropic
from pydantic import BaseModel

MAX_TOKENS = 1000


def user(content):
    return [{"role": "user", "content": content}]


def ask(client, model, messages, max_tokens=MAX_TOKENS, **more):
    message = client.messages.create(model=model, max_tokens=max_tokens, messages=messages, **more)
    check_message(message)
    return message


def check_message(message):
    check(message.id, "the message has no id")
    equal((message.type, message.role), ("message", "assistant"), "type and role")
    usage = message.usage
    check(usage.input_tokens > 0 and usage.output_tokens > 0, f"no tokens were counted: {usage!r}")


def counted(message):
    return message.usage.input_tokens, message.usage.output_tokens


def text_of(message, reason="end_turn"):
    equal(message.stop_reason, reason, "stop_reason")
    return "".join(block.text for block in message.content if block.type == "text")


def stream_of(client, model, messages, max_tokens=MAX_TOKENS, **more):
    """The message that the helper puts together; its pieces of text must join to the same."""
    with client.messages.stream(model=model, max_tokens=max_tokens, messages=messages, **more) as events:
        text = "".join(events.text_stream)
        message = events.get_final_message()
    check_message(message)
    equal(text, "".join(block.text for block in message.content if block.type == "text"), "the streamed text")
    return message


def raw_text(client, model, messages, **more):
    """The text of a stream that is put together by hand, with a look at the order of its events."""
    text, opened, kinds = "", None, []
    for event in client.messages.create(model=model, max_tokens=MAX_TOKENS, messages=messages, stream=True, **more):
        kinds.append(event.type)
        if event.type == "content_block_start":
            check(opened is None, "a block began inside another")
            opened = event.index
        elif event.type == "content_block_delta":
            equal(event.index, opened, "the index of a delta")
            text += event.delta.text if event.delta.type == "text_delta" else ""
        elif event.type == "content_block_stop":
            equal(event.index, opened, "the index of a block's end")
            opened = None
    equal(kinds[:1] + kinds[-2:], ["message_start", "message_delta", "message_stop"], "the first and the last two events")
    return text


def plain(client, model, _):
    message = ask(client, model, user("hello"))
    contains(text_of(message), "you said: hello")
    equal([block.type for block in message.content], ["text"], "the blocks")
    check(message.model, "no model is named")


def stream(client, model, _):
    messages = user("hello, streamed")
    message = ask(client, model, messages)
    whole = text_of(message)
    contains(whole, "you said: hello, streamed")
    streamed = stream_of(client, model, messages)
    equal(text_of(streamed), whole, "the streamed text")
    equal(counted(streamed), counted(message), "usage")
    equal(raw_text(client, model, messages), whole, "the text put together by hand")


def long_stream(client, model, _):
    message = stream_of(client, model, user("write 200 words"))
    equal(text_of(message).split(), words(200), "the words")


def system(client, model, _):
    block = {"type": "text", "text": "You are pirate 78.", "cache_control": {"type": "ephemeral"}}
    for prompt, text in (("You are pirate 77.", "You are pirate 77."), ([block], "You are pirate 78.")):
        contains(text_of(ask(client, model, user("what is your system prompt"), system=prompt)), text)


def multi_turn(client, model, _):
    alone = ask(client, model, user("third thing"))
    messages = [
        *user("first thing"),
        {"role": "assistant", "content": "That was the first."},
        {"role": "user", "content": [{"type": "text", "text": "second thing"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "That was the second."}]},
        *user("third thing"),
    ]
    message = ask(client, model, messages)
    contains(text_of(message), "you said: third thing")
    check(message.usage.input_tokens > alone.usage.input_tokens, "the earlier turns were not counted")


def tool(name):
    description, properties = TOOLS[name]
    return {"name": name, "description": description, "input_schema": harness.parameters(properties)}


def check_calls(message, expected):
    equal(message.stop_reason, "tool_use", "stop_reason")
    calls = [block for block in message.content if block.type == "tool_use"]
    equal([(call.name, call.input) for call in calls], expected, "the calls")
    check(all(call.id for call in calls), "a call has no id")
    equal(len({call.id for call in calls}), len(calls), "the number of different ids")
    return calls


def call_tools(how, client, model, prompt, expected, results, tools):
    """The calls are as expected, and the results that are sent back, in order, are read out."""
    messages = user(prompt)
    message = how(client, model, messages, tools=tools)
    calls = check_calls(message, expected)
    blocks = [
        {"type": "tool_result", "tool_use_id": call.id, "content": result} for call, result in zip(calls, results)
    ]
    turns = [*messages, {"role": "assistant", "content": message.content}, *user(blocks)]
    contains(text_of(how(client, model, turns, tools=tools)), f"The tools said: {'; '.join(results)}")


WEATHER = ("get_weather", {"city": "Paris"})
TIME = ("get_time", {"zone": "CET"})
WEATHER_LINE = 'use tool get_weather with {"city":"Paris"}'
BOTH_LINES = WEATHER_LINE + '\nuse tool get_time with {"zone":"CET"}'


def tools(client, model, _):
    call_tools(ask, client, model, WEATHER_LINE, [WEATHER], ["18 degrees"], [tool("get_weather"), tool("now")])


def parallel_tools(client, model, _):
    both = [tool("get_weather"), tool("get_time")]
    call_tools(ask, client, model, BOTH_LINES, [WEATHER, TIME], ["18 degrees", "half past nine"], both)


def tools_stream(client, model, _):
    both = [tool("get_weather"), tool("get_time")]
    with client.messages.stream(model=model, max_tokens=MAX_TOKENS, messages=user(WEATHER_LINE), tools=both) as events:
        fragments = [event.partial_json for event in events if event.type == "input_json"]
    check(harness.CALLS_ARE_WHOLE or len([fragment for fragment in fragments if fragment]) > 1, "the arguments came in one piece")
    call_tools(stream_of, client, model, WEATHER_LINE, [WEATHER], ["18 degrees"], both)
    call_tools(stream_of, client, model, BOTH_LINES, [WEATHER, TIME], ["18 degrees", "half past nine"], both)


def no_argument_tool(client, model, _):
    for how in (ask, stream_of):
        call_tools(how, client, model, "use tool now with {}", [("now", {})], ["noon"], [tool("now")])


def image(client, model, _):
    source = {"type": "base64", "media_type": "image/png", "data": PNG}
    text = text_of(ask(client, model, user([{"type": "image", "source": source}, {"type": "text", "text": "look at this"}])))
    contains(text, f"I see an image of {PNG_BYTES} bytes (image/png)")
    contains(text, "you said: look at this")


class Report(BaseModel):
    city: str
    days: List[int]
    unit: Literal["C", "F"]


def structured(client, model, _):
    output = {"format": {"type": "json_schema", "schema": SCHEMA}}
    messages = user("report the weather")
    check_document(text_of(ask(client, model, messages, output_config=output)))
    check_document(text_of(stream_of(client, model, messages, output_config=output)))
    message = client.messages.parse(model=model, max_tokens=MAX_TOKENS, messages=messages, output_format=Report)
    check(isinstance(message.parsed_output, Report), "nothing was parsed")


def thinking(client, model, _):
    for how in (ask, stream_of):
        budget = {"type": "enabled", "budget_tokens": 1024}
        message = how(client, model, user("hello"), max_tokens=2000, thinking=budget)
        equal([block.type for block in message.content], ["thinking", "text"], "the blocks")
        equal(message.content[0].thinking, "Let me think.", "the thinking")
        check(message.content[0].signature, "the thinking has no signature")
        contains(text_of(message), "you said: hello")
        turns = [*user("hello"), {"role": "assistant", "content": message.content}, *user("again")]
        contains(text_of(how(client, model, turns, max_tokens=2000, thinking=budget)), "you said: again")


def length(client, model, _):
    for how in (ask, stream_of):
        message = how(client, model, user("write 50 words"), max_tokens=3)
        equal(text_of(message, "max_tokens").split(), words(3), "the words")


def stop_sequence(client, model, reason):
    reason = reason or "stop_sequence"
    for how in (ask, stream_of):
        message = how(client, model, user("write 20 words"), stop_sequences=["nothing", "word7"])
        equal(text_of(message, reason).split(), words(6), "the words")
        equal(message.stop_sequence, "word7" if reason == "stop_sequence" else None, "stop_sequence")


def count_tokens(client, model, _):
    def count(text, **more):
        return client.messages.count_tokens(model=model, messages=user(text), **more).input_tokens

    short, long = count("hello"), count("hello " * 20)
    with_more = count("hello", system="Be brief.", tools=[tool("get_weather")])
    check(0 < short < min(long, with_more), f"counted {short}, {long} and {with_more}")
    for wrong, name, class_name in (([], model, "BadRequestError"), (user("hello"), "no-such-model", "NotFoundError")):
        raises(anthropic, class_name, lambda: client.messages.count_tokens(model=name, messages=wrong))


def models(client, model, _):
    listed = [one.id for one in client.models.list()]
    check(model in listed, f"the list lacks {model}: {listed!r}")
    one = client.models.retrieve(model)
    equal((one.id, one.type), (model, "model"), "the model")
    check(one.display_name and one.created_at, f"the model says too little of itself: {one!r}")
    raises(anthropic, "NotFoundError", lambda: client.models.retrieve("no-such-model"))


def check_refusal(class_name, status, kind, action):
    error = raises(anthropic, class_name, action)
    equal(error.status_code, status, "the status")
    body = error.body if isinstance(error.body, dict) else {}
    equal(body.get("type"), "error", f"the type of the body {error.body!r}")
    equal(body.get("error", {}).get("type"), kind, "the type of the error")
    check(body["error"].get("message"), f"the error has no message: {body!r}")


def error_400(client, model, _):
    for how in (ask, stream_of):
        check_refusal("BadRequestError", 400, "invalid_request_error", lambda: how(client, model, []))


def error_404(client, _model, _):
    for how in (ask, stream_of):
        check_refusal("NotFoundError", 404, "not_found_error", lambda: how(client, "no-such-model", user("hello")))


def expect_error(client, model, class_name):
    raises(anthropic, class_name, lambda: ask(client, model, user("hello")))


def expect_stream_error(client, model, class_name):
    with client.messages.stream(model=model, max_tokens=MAX_TOKENS, messages=user("write 50 words")) as events:
        harness.check_stream_error(anthropic, class_name, events.text_stream)


CASES = [
    plain, stream, long_stream, system, multi_turn, tools, parallel_tools, tools_stream, no_argument_tool, image, structured,
    thinking, length, stop_sequence, count_tokens, models, error_400, error_404, expect_error, expect_stream_error,
]  # fmt: skip


def connect(base_url):
    return Anthropic(base_url=base_url, api_key=harness.KEY, max_retries=0, timeout=harness.CLIENT_TIMEOUT)


if __name__ == "__main__":
    harness.main({case.__name__: case for case in CASES}, connect)
