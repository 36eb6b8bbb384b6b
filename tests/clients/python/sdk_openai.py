"""Drives the official OpenAI client: `sdk_openai.py BASE_URL MODEL CASE...`

`embeddings` and `embeddings_base64` are for a model that embeds, `models` for a name that stands in the list.
"""

import json
import math
from typing import List, Literal

import harness
from harness import PNG, PNG_BYTES, SCHEMA, TOOLS, check, check_document, contains, equal, raises, words

import openai
from openai import OpenAI
from pydantic import BaseModel


def user(text):
    return [{"role": "user", "content": text}]


def ask(client, model, messages, **more):
    completion = client.chat.completions.create(model=model, messages=messages, **more)
    check(completion.id, "the completion has no id")
    equal(completion.object, "chat.completion", "object")
    equal(len(completion.choices), 1, "the number of choices")
    equal(completion.choices[0].message.role, "assistant", "role")
    check_usage(completion.usage)
    return completion


def check_usage(usage):
    check(usage is not None, "no usage")
    check(usage.prompt_tokens > 0 and usage.completion_tokens > 0, f"no tokens were counted: {usage!r}")
    equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens, "total_tokens")


def counted(usage):
    return usage.prompt_tokens, usage.completion_tokens


def text_of(completion, finish="stop"):
    equal(completion.choices[0].finish_reason, finish, "finish_reason")
    return completion.choices[0].message.content


def read(stream, usage=False):
    """Put together a streamed reply by hand: text, calls by index, finish reason, usage."""
    text, calls, finish, ids, used = "", {}, None, set(), None
    for chunk in stream:
        if not chunk.object and not chunk.choices:
            continue  # Azure's first: what its filter says of the prompt
        ids.add(chunk.id)
        equal(chunk.object, "chat.completion.chunk", "object")
        check(used is None, "a chunk came after the one with the usage")
        if chunk.usage is not None:
            check(usage, "usage, which was not asked for")
            equal(chunk.choices, [], "choices of the chunk with the usage")
            check_usage(chunk.usage)
            used = chunk.usage
            continue
        equal(len(chunk.choices), 1, "the number of choices in a chunk")
        check(finish is None, "a chunk with a choice came after the finish reason")
        delta, finish = chunk.choices[0].delta, chunk.choices[0].finish_reason
        text += delta.content or ""
        for part in delta.tool_calls or []:
            if part.index not in calls:
                equal(part.index, len(calls), "the index of a new call")
                equal(part.type, "function", "the type of a call")
                calls[part.index] = {"id": part.id, "name": part.function.name, "arguments": "", "fragments": 0}
            elif part.id is not None:
                equal(part.id, calls[part.index]["id"], "the id of a call that goes on")
            if part.function.arguments:
                calls[part.index]["arguments"] += part.function.arguments
                calls[part.index]["fragments"] += 1
    equal(len(ids), 1, "the number of different ids")
    check(all(ids), "the chunks have no id")
    check(finish is not None, "no finish reason")
    check(used is not None or not usage, "no usage, which was asked for")
    return text, [calls[index] for index in sorted(calls)], finish, used


def open_stream(client, model, messages, **more):
    return client.chat.completions.create(model=model, messages=messages, stream=True, **more)


def plain(client, model, _):
    completion = ask(client, model, user("hello"))
    contains(text_of(completion), "you said: hello")
    check(not completion.choices[0].message.tool_calls, "tools were called")
    check(completion.model, "no model is named")


def stream(client, model, _):
    messages = user("hello, streamed")
    completion = ask(client, model, messages)
    whole = text_of(completion)
    contains(whole, "you said: hello, streamed")
    text, calls, finish, used = read(open_stream(client, model, messages, stream_options={"include_usage": True}), usage=True)
    equal((text, calls, finish), (whole, [], "stop"), "the stream")
    equal(counted(used), counted(completion.usage), "usage")
    text, _, finish, _ = read(open_stream(client, model, messages))
    equal((text, finish), (whole, "stop"), "the stream without usage")
    with client.chat.completions.stream(model=model, messages=messages, stream_options={"include_usage": True}) as events:
        deltas = [event.delta for event in events if event.type == "content.delta"]
        final = events.get_final_completion()
    equal("".join(deltas), whole, "the helper's text")
    equal(text_of(final), whole, "the helper's completion")
    equal(counted(final.usage), counted(completion.usage), "the helper's usage")


def long_stream(client, model, _):
    text, _, finish, _ = read(open_stream(client, model, user("write 200 words")))
    equal(text.split(), words(200), "the words")
    equal(finish, "stop", "finish_reason")


def system(client, model, _):
    for role in ("system", "developer"):
        messages = [{"role": role, "content": f"You are pirate 77, said the {role}."}, *user("what is your system prompt")]
        contains(text_of(ask(client, model, messages)), f"You are pirate 77, said the {role}.")


def multi_turn(client, model, _):
    alone = ask(client, model, user("third thing"))
    messages = [
        *user("first thing"),
        {"role": "assistant", "content": "That was the first."},
        {"role": "user", "content": [{"type": "text", "text": "second thing"}]},
        {"role": "assistant", "content": "That was the second."},
        *user("third thing"),
    ]
    completion = ask(client, model, messages)
    contains(text_of(completion), "you said: third thing")
    check(completion.usage.prompt_tokens > alone.usage.prompt_tokens, "the earlier turns were not counted")


def tool(name, **more):
    description, properties = TOOLS[name]
    function = {"name": name, "description": description, "parameters": harness.parameters(properties), **more}
    return {"type": "function", "function": function}


def calls_of(completion):
    equal(completion.choices[0].finish_reason, "tool_calls", "finish_reason")
    calls = completion.choices[0].message.tool_calls or []
    check(all(call.type == "function" for call in calls), f"a call is of another type: {calls!r}")
    return [{"id": call.id, "name": call.function.name, "arguments": call.function.arguments} for call in calls]


def check_calls(calls, expected):
    equal([call["name"] for call in calls], [name for name, _ in expected], "the names of the calls")
    for call, (name, arguments) in zip(calls, expected):
        check(call["id"], f"the call of {name} has no id")
        try:
            parsed = json.loads(call["arguments"])
        except ValueError:
            raise harness.Failed(f"the arguments of {name} are not JSON: {call['arguments']!r}") from None
        equal(parsed, arguments, f"the arguments of {name}")
    equal(len({call["id"] for call in calls}), len(calls), "the number of different ids")


def answer(client, model, messages, turn, calls, results, tools):
    """Send the results back, in order; the answer reads them out."""
    turns = [{"role": "tool", "tool_call_id": call["id"], "content": result} for call, result in zip(calls, results)]
    completion = ask(client, model, [*messages, turn, *turns], tools=tools)
    contains(text_of(completion), f"The tools said: {'; '.join(results)}")


def turn_of(calls):
    """The assistant's turn, as a client writes it that put the calls together by hand."""
    functions = [{"name": call["name"], "arguments": call["arguments"]} for call in calls]
    made = [{"id": call["id"], "type": "function", "function": function} for call, function in zip(calls, functions)]
    return {"role": "assistant", "content": None, "tool_calls": made}


WEATHER = ("get_weather", {"city": "Paris"})
TIME = ("get_time", {"zone": "CET"})
WEATHER_LINE = 'use tool get_weather with {"city":"Paris"}'
BOTH_LINES = WEATHER_LINE + '\nuse tool get_time with {"zone":"CET"}'


def call_tools(client, model, prompt, expected, results, tools):
    messages = user(prompt)
    completion = ask(client, model, messages, tools=tools)
    calls = calls_of(completion)
    check_calls(calls, expected)
    answer(client, model, messages, completion.choices[0].message, calls, results, tools)


def stream_tools(client, model, prompt, expected, results, tools):
    messages = user(prompt)
    _, calls, finish, _ = read(open_stream(client, model, messages, tools=tools))
    equal(finish, "tool_calls", "finish_reason")
    check_calls(calls, expected)
    answer(client, model, messages, turn_of(calls), calls, results, tools)
    return calls


def tools(client, model, _):
    call_tools(client, model, WEATHER_LINE, [WEATHER], ["18 degrees"], [tool("get_weather"), tool("now")])


def parallel_tools(client, model, _):
    both = [tool("get_weather"), tool("get_time")]
    call_tools(client, model, BOTH_LINES, [WEATHER, TIME], ["18 degrees", "half past nine"], both)


def tools_stream(client, model, _):
    both = [tool("get_weather"), tool("get_time")]
    calls = stream_tools(client, model, WEATHER_LINE, [WEATHER], ["18 degrees"], both)
    check(harness.CALLS_ARE_WHOLE or calls[0]["fragments"] > 1, "the arguments came in one piece")
    stream_tools(client, model, BOTH_LINES, [WEATHER, TIME], ["18 degrees", "half past nine"], both)
    # The helper takes only strict tools.
    messages, strict = user(BOTH_LINES), [tool("get_weather", strict=True), tool("get_time", strict=True)]
    with client.chat.completions.stream(model=model, messages=messages, tools=strict) as events:
        final = events.get_final_completion()
    calls = calls_of(final)
    check_calls(calls, [WEATHER, TIME])
    answer(client, model, messages, turn_of(calls), calls, ["18 degrees", "half past nine"], strict)


def no_argument_tool(client, model, _):
    for how in (call_tools, stream_tools):
        how(client, model, "use tool now with {}", [("now", {})], ["noon"], [tool("now")])


def image(client, model, _):
    parts = [
        {"type": "text", "text": "look at this"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
    ]
    text = text_of(ask(client, model, user(parts)))
    contains(text, f"I see an image of {PNG_BYTES} bytes (image/png)")
    contains(text, "you said: look at this")


class Report(BaseModel):
    city: str
    days: List[int]
    unit: Literal["C", "F"]


def structured(client, model, _):
    form = {"type": "json_schema", "json_schema": {"name": "report", "schema": SCHEMA, "strict": True}}
    messages = user("report the weather")
    check_document(text_of(ask(client, model, messages, response_format=form)))
    text, _, finish, _ = read(open_stream(client, model, messages, response_format=form))
    equal(finish, "stop", "finish_reason")
    check_document(text)
    completion = client.chat.completions.parse(model=model, messages=messages, response_format=Report)
    check(isinstance(completion.choices[0].message.parsed, Report), "nothing was parsed")


def length(client, model, _):
    messages = user("write 50 words")
    for field in ("max_tokens", "max_completion_tokens"):
        equal(text_of(ask(client, model, messages, **{field: 3}), "length").split(), words(3), f"the words with {field}")
    text, _, finish, _ = read(open_stream(client, model, messages, max_completion_tokens=3))
    equal((text.split(), finish), (words(3), "length"), "the stream")


def stop_sequence(client, model, _):
    messages = user("write 20 words")
    for stop in ("word7", ["nothing", "word7"]):
        equal(text_of(ask(client, model, messages, stop=stop)).split(), words(6), "the words")
        text, _, finish, _ = read(open_stream(client, model, messages, stop=stop))
        equal((text.split(), finish), (words(6), "stop"), "the stream")


TEXTS = ["hello", "something else"]


def check_vectors(embedded, count):
    equal(embedded.object, "list", "object")
    equal([one.index for one in embedded.data], list(range(count)), "the indices")
    vectors = [one.embedding for one in embedded.data]
    check(all(vector and all(map(math.isfinite, vector)) for vector in vectors), f"not vectors of numbers: {vectors!r}")
    equal(len({len(vector) for vector in vectors}), 1, "the number of different lengths")
    check(embedded.usage.prompt_tokens > 0, f"no tokens were counted: {embedded.usage!r}")
    return vectors


def embeddings(client, model, _):
    [alone] = check_vectors(client.embeddings.create(model=model, input="hello", encoding_format="float"), 1)
    vectors = check_vectors(client.embeddings.create(model=model, input=TEXTS, encoding_format="float"), 2)
    equal(vectors[0], alone, "the vector of the same text")
    check(vectors[0] != vectors[1], "two texts have the same vector")


def embeddings_base64(client, model, _):
    """The client asks for base64 unless told otherwise, and unpacks it."""
    wire = json.loads(client.embeddings.with_raw_response.create(model=model, input=TEXTS).text)
    check(all(isinstance(one["embedding"], str) for one in wire["data"]), f"not base64: {wire!r}")
    plain = check_vectors(client.embeddings.create(model=model, input=TEXTS, encoding_format="float"), 2)
    packed = check_vectors(client.embeddings.create(model=model, input=TEXTS), 2)
    # It packs 32 bits of each.
    same = [math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-6) for some, more in zip(plain, packed) for a, b in zip(some, more)]
    check(all(same) and len(plain[0]) == len(packed[0]), f"{plain!r} packed is {packed!r}")


def models(client, model, _):
    listed = [one.id for one in client.models.list()]
    check(model in listed, f"the list lacks {model}: {listed!r}")
    one = client.models.retrieve(model)
    equal((one.id, one.object), (model, "model"), "the model")
    raises(openai, "NotFoundError", lambda: client.models.retrieve("no-such-model"))


def check_refusal(class_name, status, action):
    error = raises(openai, class_name, action)
    equal(error.status_code, status, "the status")
    check(isinstance(error.body, dict) and error.body.get("message"), f"the error has no message: {error.body!r}")
    check(error.body.get("type"), f"the error has no type: {error.body!r}")


def error_400(client, model, _):
    check_refusal("BadRequestError", 400, lambda: ask(client, model, []))
    check_refusal("BadRequestError", 400, lambda: read(open_stream(client, model, [])))


def error_404(client, _model, _):
    check_refusal("NotFoundError", 404, lambda: ask(client, "no-such-model", user("hello")))
    check_refusal("NotFoundError", 404, lambda: read(open_stream(client, "no-such-model", user("hello"))))


def expect_error(client, model, class_name):
    raises(openai, class_name, lambda: ask(client, model, user("hello")))


def expect_stream_error(client, model, class_name):
    chunks = open_stream(client, model, user("write 50 words"))
    harness.check_stream_error(openai, class_name, (choice.delta.content or "" for chunk in chunks for choice in chunk.choices))


CASES = [
    plain, stream, long_stream, system, multi_turn, tools, parallel_tools, tools_stream, no_argument_tool, image, structured,
    length, stop_sequence, embeddings, embeddings_base64, models, error_400, error_404, expect_error, expect_stream_error,
]  # fmt: skip


def connect(base_url):
    return OpenAI(base_url=f"{base_url}/v1", api_key=harness.KEY, max_retries=0, timeout=harness.CLIENT_TIMEOUT)


if __name__ == "__main__":
    harness.main({case.__name__: case for case in CASES}, connect)
