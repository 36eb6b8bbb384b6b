"""Drives the Responses API of the official OpenAI client: `sdk_openai_responses.py BASE_URL MODEL CASE...`

`reasoning` is for a model that thinks. `expect_stream_error:WHAT` is the type of the event that must end the stream, such as
`response.failed`, or the class of the exception.
"""

import json
import sys
from typing import List, Literal

import harness
from harness import PNG, PNG_BYTES, SCHEMA, TOOLS, check, check_document, contains, equal, raises, words

import openai
from openai import OpenAI
from pydantic import BaseModel

ENDS = {"response.completed": "completed", "response.incomplete": "incomplete", "response.failed": "failed"}
DELTAS = ("response.output_text.delta", "response.function_call_arguments.delta", "response.reasoning_summary_text.delta")
DONES = {
    "response.output_text.done": "text",
    "response.function_call_arguments.done": "arguments",
    "response.reasoning_summary_text.done": "text",
}
# The API takes no less.
TOKENS_MIN = 16
# Nothing is kept for the caller, who so needs what the model thought in a form that can be sent back.
STATELESS = {"store": False, "include": ["reasoning.encrypted_content"]}


def user(content):
    return [{"role": "user", "content": content}]


def ask(client, model, items, **more):
    # Every turn brings its whole history: nothing is kept at the provider.
    response = client.responses.create(model=model, input=items, **{**STATELESS, **more})
    check_response(response)
    return response


def check_response(response):
    check(response.id, "the response has no id")
    equal(response.object, "response", "object")
    check(response.error is None, f"an error: {response.error!r}")
    usage = response.usage
    check(usage is not None, "no usage")
    check(usage.input_tokens > 0 and usage.output_tokens > 0, f"no tokens were counted: {usage!r}")
    equal(usage.total_tokens, usage.input_tokens + usage.output_tokens, "total_tokens")
    check(usage.output_tokens_details.reasoning_tokens <= usage.output_tokens, f"more thought than said: {usage!r}")


def counted(response):
    return response.usage.input_tokens, response.usage.output_tokens


def text_of(response, status="completed"):
    equal(response.status, status, "status")
    return response.output_text


def said(item):
    """What an item says, of whatever type it is."""
    if item.type == "message":
        return "".join(part.text for part in item.content)
    if item.type == "reasoning":
        return "".join(part.text for part in item.summary)
    return item.arguments


def read(events):
    """Put together a streamed reply by hand: items, pieces of each, and the last event's response, which must say the same."""
    first, number, ids, texts, pieces, done, end = None, -1, [], [], [], [], None
    for event in events:
        check(end is None, f"{event.type} came after the last event")
        check(event.sequence_number > number, f"{event.type} has the number {event.sequence_number}, after {number}")
        number, first = event.sequence_number, first or event.type
        if event.type == "response.output_item.added":
            equal(event.output_index, len(ids), "the index of a new item")
            ids.append(event.item.id)
            texts.append("")
            pieces.append(0)
        elif event.type in DELTAS:
            equal(event.item_id, ids[event.output_index], f"the item of {event.type}")
            texts[event.output_index] += event.delta
            pieces[event.output_index] += 1
        elif event.type in DONES:
            equal(getattr(event, DONES[event.type]), texts[event.output_index], f"the whole of {event.type}")
        elif event.type == "response.output_item.done":
            equal(event.output_index, len(done), "the index of an item that ends")
            equal(event.item.id, ids[event.output_index], "the id of an item that ends")
            done.append(event.item)
        elif event.type in ENDS:
            end = event
    equal(first, "response.created", "the first event")
    check(end is not None, "the last event is missing")
    response = end.response
    equal(response.status, ENDS[end.type], "the status in the last event")
    check_response(response)
    equal([said(item) for item in done], texts, "the items when they end")
    equal([item.to_dict() for item in response.output], [item.to_dict() for item in done], "the items of the last event")
    return response, pieces


def open_stream(client, model, items, **more):
    return client.responses.create(model=model, input=items, stream=True, **{**STATELESS, **more})


def stream_of(client, model, items, **more):
    return read(open_stream(client, model, items, **more))[0]


def helped(client, model, items, **more):
    """The response that the helper puts together; its pieces of text must join to the same."""
    with client.responses.stream(model=model, input=items, **{**STATELESS, **more}) as events:
        text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
        response = events.get_final_response()
    check_response(response)
    equal(text, response.output_text, "the streamed text")
    return response


def plain(client, model, _):
    response = ask(client, model, "hello")
    contains(text_of(response), "you said: hello")
    items = [item for item in response.output if item.type != "reasoning"]
    equal([item.type for item in items], ["message"], "the items")
    equal(items[0].role, "assistant", "role")
    check(response.incomplete_details is None, f"incomplete: {response.incomplete_details!r}")
    check(response.model, "no model is named")


def stream(client, model, _):
    response = ask(client, model, "hello, streamed")
    whole = text_of(response)
    contains(whole, "you said: hello, streamed")
    for how in (stream_of, helped):
        streamed = how(client, model, "hello, streamed")
        equal(text_of(streamed), whole, "the streamed text")
        equal(counted(streamed), counted(response), "usage")


def long_stream(client, model, _):
    equal(text_of(stream_of(client, model, "write 200 words")).split(), words(200), "the words")


def system(client, model, _):
    question = user("what is your system prompt")
    contains(text_of(ask(client, model, question, instructions="You are pirate 77.")), "You are pirate 77.")
    for role in ("system", "developer"):
        items = [{"role": role, "content": f"You are pirate 78, said the {role}."}, *question]
        contains(text_of(ask(client, model, items)), f"You are pirate 78, said the {role}.")


def multi_turn(client, model, _):
    alone = ask(client, model, user("third thing"))
    items = [
        *user("first thing"),
        {"role": "assistant", "content": "That was the first."},
        *user([{"type": "input_text", "text": "second thing"}]),
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "That was the second."}]},
        *user("third thing"),
    ]
    response = ask(client, model, items)
    contains(text_of(response), "you said: third thing")
    check(response.usage.input_tokens > alone.usage.input_tokens, "the earlier turns were not counted")
    for how in (ask, stream_of):
        items = user("first thing")
        for prompt in ("second thing", "third thing"):
            items = [*items, *how(client, model, items, **STATELESS).output, *user(prompt)]
            contains(text_of(how(client, model, items, **STATELESS)), f"you said: {prompt}")


def tool(name, strict=False):
    description, properties = TOOLS[name]
    parameters = harness.parameters(properties)
    return {"type": "function", "name": name, "description": description, "parameters": parameters, "strict": strict}


def check_calls(response, expected):
    equal(response.status, "completed", "status")
    calls = [item for item in response.output if item.type == "function_call"]
    equal([call.name for call in calls], [name for name, _ in expected], "the names of the calls")
    for call, (name, arguments) in zip(calls, expected):
        check(call.call_id, f"the call of {name} has no id")
        try:
            parsed = json.loads(call.arguments)
        except ValueError:
            raise harness.Failed(f"the arguments of {name} are not JSON: {call.arguments!r}") from None
        equal(parsed, arguments, f"the arguments of {name}")
    equal(len({call.call_id for call in calls}), len(calls), "the number of different ids")
    return calls


def call_tools(how, client, model, prompt, expected, results, tools, **more):
    """The calls are as expected, and the results that are sent back, in order, are read out."""
    items = user(prompt)
    response = how(client, model, items, tools=tools, **more)
    calls = check_calls(response, expected)
    outputs = [
        {"type": "function_call_output", "call_id": call.call_id, "output": result} for call, result in zip(calls, results)
    ]
    answer = how(client, model, [*items, *response.output, *outputs], tools=tools, **more)
    contains(text_of(answer), f"The tools said: {'; '.join(results)}")
    return response


WEATHER = ("get_weather", {"city": "Paris"})
TIME = ("get_time", {"zone": "CET"})
WEATHER_LINE = 'use tool get_weather with {"city":"Paris"}'
BOTH_LINES = WEATHER_LINE + '\nuse tool get_time with {"zone":"CET"}'
RESULTS = ["18 degrees", "half past nine"]


def tools(client, model, _):
    call_tools(ask, client, model, WEATHER_LINE, [WEATHER], ["18 degrees"], [tool("get_weather"), tool("now")])


def parallel_tools(client, model, _):
    both = [tool("get_weather"), tool("get_time")]
    call_tools(ask, client, model, BOTH_LINES, [WEATHER, TIME], RESULTS, both)


def tools_stream(client, model, _):
    both = [tool("get_weather", strict=True), tool("get_time", strict=True)]
    response, pieces = read(open_stream(client, model, user(WEATHER_LINE), tools=both))
    check_calls(response, [WEATHER])
    check(harness.CALLS_ARE_WHOLE or max(pieces) > 1, "the arguments came in one piece")
    for how in (stream_of, helped):
        call_tools(how, client, model, WEATHER_LINE, [WEATHER], ["18 degrees"], both)
        call_tools(how, client, model, BOTH_LINES, [WEATHER, TIME], RESULTS, both)
    final = helped(client, model, user(WEATHER_LINE), tools=both)
    equal([call.parsed_arguments for call in final.output if call.type == "function_call"], [WEATHER[1]], "the arguments that the helper parsed")


def no_argument_tool(client, model, _):
    for how in (ask, stream_of, helped):
        call_tools(how, client, model, "use tool now with {}", [("now", {})], ["noon"], [tool("now")])


def image(client, model, _):
    parts = [
        {"type": "input_text", "text": "look at this"},
        {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "auto"},
    ]
    text = text_of(ask(client, model, user(parts)))
    contains(text, f"I see an image of {PNG_BYTES} bytes (image/png)")
    contains(text, "you said: look at this")


class Report(BaseModel):
    city: str
    days: List[int]
    unit: Literal["C", "F"]


def structured(client, model, _):
    output = {"format": {"type": "json_schema", "name": "report", "schema": SCHEMA, "strict": True}}
    items = user("report the weather")
    for how in (ask, stream_of):
        check_document(text_of(how(client, model, items, text=output)))
    response = client.responses.parse(model=model, input=items, text_format=Report)
    check(isinstance(response.output_parsed, Report), "nothing was parsed")
    response = helped(client, model, items, text_format=Report)
    check(isinstance(response.output_parsed, Report), "nothing was parsed from the stream")


def thought(response):
    items = [item for item in response.output if item.type == "reasoning"]
    equal([said(item) for item in items], ["Let me think."], "the thoughts")
    check(items[0].encrypted_content, "the thought cannot be sent back")
    equal(response.output[0].type, "reasoning", "the first item")


def reasoning(client, model, _):
    more = {"reasoning": {"effort": "low", "summary": "auto"}, **STATELESS}
    for how in (ask, stream_of, helped):
        response = how(client, model, user("hello"), **more)
        thought(response)
        contains(text_of(response), "you said: hello")
        items = [*user("hello"), *response.output, *user("again")]
        contains(text_of(how(client, model, items, **more)), "you said: again")
        thought(call_tools(how, client, model, WEATHER_LINE, [WEATHER], ["18 degrees"], [tool("get_weather")], **more))


def length(client, model, _):
    for how in (ask, stream_of):
        response = how(client, model, user("write 50 words"), max_output_tokens=TOKENS_MIN)
        equal(text_of(response, "incomplete").split(), words(TOKENS_MIN), "the words")
        equal(response.incomplete_details.reason, "max_output_tokens", "the reason")


def count_tokens(client, model, _):
    texts = ("hello", "hello, and more than that " * 10)
    short, long = (client.responses.input_tokens.count(model=model, input=text) for text in texts)
    equal(short.object, "response.input_tokens", "object")
    check(0 < short.input_tokens < long.input_tokens, f"counted {short.input_tokens} and {long.input_tokens}")


def check_refusal(class_name, status, action):
    error = raises(openai, class_name, action)
    equal(error.status_code, status, "the status")
    check(isinstance(error.body, dict) and error.body.get("message"), f"the error has no message: {error.body!r}")
    check(error.body.get("type"), f"the error has no type: {error.body!r}")


def error_400(client, model, _):
    for how in (ask, stream_of, helped):
        check_refusal("BadRequestError", 400, lambda: how(client, model, []))


def error_404(client, _model, _):
    for how in (ask, stream_of, helped):
        check_refusal("NotFoundError", 404, lambda: how(client, "no-such-model", user("hello")))


def expect_error(client, model, class_name):
    for how in (ask, stream_of):
        raises(openai, class_name, lambda: how(client, model, user("hello")))


class EndedByEvent(Exception):
    """The last event of a stream that failed: the SDK hands it over and raises nothing."""


def texts_of(events, kind):
    for event in events:
        if event.type == "response.output_text.delta":
            yield event.delta
        elif event.type == kind:
            error = event.response.error if kind == "response.failed" else event
            check(error and error.code and error.message, f"the error says too little: {event!r}")
            try:
                check(next(iter(events), None) is None, f"something came after {kind}")
            except openai.APIConnectionError:
                # After an error the body has no proper end, so that nobody takes half an answer for a whole one.
                pass
            raise EndedByEvent
        else:
            check(event.type not in (*ENDS, "error"), f"the stream ended with {event.type}")


def expect_stream_error(client, model, what):
    events = open_stream(client, model, user("write 50 words"))
    by_event = what.startswith("response.") or what == "error"
    end = (sys.modules[__name__], "EndedByEvent") if by_event else (openai, what)
    harness.check_stream_error(*end, texts_of(events, what))


CASES = [
    plain, stream, long_stream, system, multi_turn, tools, parallel_tools, tools_stream, no_argument_tool, image, structured,
    reasoning, length, count_tokens, error_400, error_404, expect_error, expect_stream_error,
]  # fmt: skip


def connect(base_url):
    return OpenAI(base_url=f"{base_url}/v1", api_key=harness.KEY, max_retries=0, timeout=harness.CLIENT_TIMEOUT)


if __name__ == "__main__":
    harness.main({case.__name__: case for case in CASES}, connect)
