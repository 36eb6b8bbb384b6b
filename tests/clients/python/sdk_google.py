"""Drives the official Gemini client: `sdk_google.py BASE_URL MODEL CASE...`

`thinking` is for a model that thinks. `expect_error:CLASS:CODE` and `expect_stream_error:CLASS` name a class of
`google.genai.errors`; as it has only two of them, the code says more.
"""

import base64
from typing import List, Literal

import harness
from harness import PNG, PNG_BYTES, SCHEMA, TOOLS, check, check_document, contains, equal, raises, words

from google import genai
from google.genai import errors, types
from pydantic import BaseModel


def turn(role, *parts):
    made = [types.Part.from_text(text=part) if isinstance(part, str) else part for part in parts]
    return types.Content(role=role, parts=made)


def user(*parts):
    return [turn("user", *parts)]


def ask(client, model, contents, **config):
    response = client.models.generate_content(model=model, contents=contents, config=settings(config))
    check_response(response)
    return response


def settings(config):
    # The client would call the tools by itself.
    automatic = types.AutomaticFunctionCallingConfig(disable=True)
    return types.GenerateContentConfig(automatic_function_calling=automatic, **config)


def check_response(response):
    equal(len(response.candidates), 1, "the number of candidates")
    equal(response.candidates[0].content.role, "model", "role")
    usage = response.usage_metadata
    check(usage is not None, "no usage")
    thought, spoken = usage.thoughts_token_count or 0, usage.candidates_token_count or 0
    check(usage.prompt_token_count > 0 and spoken + thought > 0, f"no tokens were counted: {usage!r}")
    equal(usage.total_token_count, usage.prompt_token_count + spoken + thought, "total_token_count")


def parts_of(response):
    return response.candidates[0].content.parts or []


def counted(response):
    usage = response.usage_metadata
    return usage.prompt_token_count, usage.candidates_token_count, usage.thoughts_token_count or 0


def finish_of(response):
    return response.candidates[0].finish_reason.name


def text_of(response, finish="STOP"):
    equal(finish_of(response), finish, "finish_reason")
    return "".join(part.text for part in parts_of(response) if part.text and not part.thought)


def chunks_of(client, model, contents, **config):
    return client.models.generate_content_stream(model=model, contents=contents, config=settings(config))


def stream_of(client, model, contents, **config):
    """A streamed reply as one response: the last chunk, with the parts of all."""
    parts, last = [], None
    for chunk in chunks_of(client, model, contents, **config):
        check(last is None or not last.candidates[0].finish_reason, "a chunk came after the finish reason")
        equal(len(chunk.candidates), 1, "the number of candidates in a chunk")
        content, last = chunk.candidates[0].content, chunk
        parts += (content.parts if content else None) or []
    check(last is not None and last.candidates[0].finish_reason, "no finish reason")
    last.candidates[0].content = types.Content(role="model", parts=parts)
    check_response(last)
    return last


def plain(client, model, _):
    response = ask(client, model, "hello")
    contains(text_of(response), "you said: hello")
    equal(response.text, text_of(response), "response.text")
    check(not response.function_calls, "tools were called")
    check(response.model_version, "no model is named")


def stream(client, model, _):
    response = ask(client, model, "hello, streamed")
    whole = text_of(response)
    contains(whole, "you said: hello, streamed")
    streamed = stream_of(client, model, "hello, streamed")
    equal(text_of(streamed), whole, "the streamed text")
    equal(counted(streamed), counted(response), "usage")


def long_stream(client, model, _):
    response = stream_of(client, model, "write 200 words")
    equal(text_of(response).split(), words(200), "the words")
    check(len(parts_of(response)) > 1, "the text came in one piece")


def system(client, model, _):
    for prompt in ("You are pirate 77.", types.Content(parts=[types.Part.from_text(text="You are pirate 77.")])):
        contains(text_of(ask(client, model, "what is your system prompt", system_instruction=prompt)), "You are pirate 77.")


def multi_turn(client, model, _):
    alone = ask(client, model, "third thing")
    contents = [
        *user("first thing"),
        turn("model", "That was the first."),
        *user("second thing"),
        turn("model", "That was the second."),
        *user("third thing"),
    ]
    response = ask(client, model, contents)
    contains(text_of(response), "you said: third thing")
    more = response.usage_metadata.prompt_token_count
    check(more > alone.usage_metadata.prompt_token_count, "the earlier turns were not counted")
    chat = client.chats.create(model=model, config=settings({}))
    contains(text_of(chat.send_message("first thing")), "you said: first thing")
    contains("".join(chunk.text or "" for chunk in chat.send_message_stream("second thing")), "you said: second thing")
    last = chat.send_message("third thing")
    contains(text_of(last), "you said: third thing")
    check(last.usage_metadata.prompt_token_count > alone.usage_metadata.prompt_token_count, "the chat's turns were not counted")


def tool(*names, schema="parameters_json_schema"):
    """`schema`: the field that holds it, JSON Schema or the API's own subset, which knows no additionalProperties."""
    declarations = []
    for name in names:
        description, properties = TOOLS[name]
        parameters = harness.parameters(properties)
        if schema == "parameters":
            del parameters["additionalProperties"]
        declarations.append(types.FunctionDeclaration(name=name, description=description, **{schema: parameters}))
    return [types.Tool(function_declarations=declarations)]


def check_calls(response, expected):
    equal(finish_of(response), "STOP", "finish_reason")
    calls = [part.function_call for part in parts_of(response) if part.function_call]
    equal([(call.name, call.args or {}) for call in calls], expected, "the calls")
    equal(len({call.id for call in calls if call.id}), len([call for call in calls if call.id]), "the number of different ids")
    return calls


def call_tools(how, client, model, prompt, expected, results, tools, **more):
    """The calls are as expected, and the results that are sent back, in order, are read out."""
    response = how(client, model, user(prompt), tools=tools, **more)
    outputs = []
    for call, result in zip(check_calls(response, expected), results):
        output = types.FunctionResponse(id=call.id, name=call.name, response={"output": result})
        outputs.append(types.Part(function_response=output))
    contents = [*user(prompt), response.candidates[0].content, *user(*outputs)]
    read_out(text_of(how(client, model, contents, tools=tools, **more)), results)
    return response


def read_out(text, results):
    """A result is an object here; whether it is read out with its braces is the provider's business."""
    contains(text, "The tools said: ")
    places = [text.find(result) for result in results]
    check(-1 not in places and places == sorted(places), f"not the results {results!r}, in order: {text!r}")


WEATHER = ("get_weather", {"city": "Paris"})
TIME = ("get_time", {"zone": "CET"})
WEATHER_LINE = 'use tool get_weather with {"city":"Paris"}'
BOTH_LINES = WEATHER_LINE + '\nuse tool get_time with {"zone":"CET"}'
RESULTS = ["18 degrees", "half past nine"]


def tools(client, model, _):
    for schema in ("parameters_json_schema", "parameters"):
        offered = tool("get_weather", "get_time", schema=schema)
        call_tools(ask, client, model, WEATHER_LINE, [WEATHER], ["18 degrees"], offered)


def parallel_tools(client, model, _):
    call_tools(ask, client, model, BOTH_LINES, [WEATHER, TIME], RESULTS, tool("get_weather", "get_time"))


def tools_stream(client, model, _):
    both = tool("get_weather", "get_time")
    call_tools(stream_of, client, model, WEATHER_LINE, [WEATHER], ["18 degrees"], both)
    call_tools(stream_of, client, model, BOTH_LINES, [WEATHER, TIME], RESULTS, both)


def no_argument_tool(client, model, _):
    for how in (ask, stream_of):
        call_tools(how, client, model, "use tool now with {}", [("now", {})], ["noon"], tool("now"))


def automatic_tools(client, model, _):
    """The client declares a function, calls it, and sends back what it gives."""
    asked = []

    def get_weather(city: str) -> str:
        """The weather in a city"""
        asked.append(city)
        return "18 degrees"

    chat = client.chats.create(model=model, config=types.GenerateContentConfig(tools=[get_weather]))
    response = chat.send_message(WEATHER_LINE)
    equal(asked, ["Paris"], "what the function was called with")
    read_out(text_of(response), ["18 degrees"])


def image(client, model, _):
    # The client writes base64 in the alphabet for URLs; only what has more than letters and digits shows it.
    for more in (b"", b"\xff\xff\xff"):
        picture = types.Part.from_bytes(data=base64.b64decode(PNG) + more, mime_type="image/png")
        text = text_of(ask(client, model, user(picture, "look at this")))
        contains(text, f"I see an image of {PNG_BYTES + len(more)} bytes (image/png)")
        contains(text, "you said: look at this")


class Report(BaseModel):
    city: str
    days: List[int]
    unit: Literal["C", "F"]


def structured(client, model, _):
    json = {"response_mime_type": "application/json"}
    for how in (ask, stream_of):
        check_document(text_of(how(client, model, "report the weather", response_json_schema=SCHEMA, **json)))
    response = ask(client, model, "report the weather", response_schema=Report, **json)
    check(isinstance(response.parsed, Report), f"nothing was parsed: {response.text!r}")


def check_thought(response):
    parts = parts_of(response)
    equal("".join(part.text for part in parts if part.thought), "Let me think.", "the thoughts")
    check(parts[0].thought, "the first part is no thought")
    check(any(part.thought_signature for part in parts), "the thought cannot be sent back")


def thinking(client, model, _):
    more = {"thinking_config": types.ThinkingConfig(include_thoughts=True, thinking_budget=1024), "max_output_tokens": 2000}
    for how in (ask, stream_of):
        response = how(client, model, "hello", **more)
        check_thought(response)
        contains(text_of(response), "you said: hello")
        contents = [*user("hello"), response.candidates[0].content, *user("again")]
        contains(text_of(how(client, model, contents, **more)), "you said: again")
        check_thought(call_tools(how, client, model, WEATHER_LINE, [WEATHER], ["18 degrees"], tool("get_weather"), **more))


def length(client, model, _):
    for how in (ask, stream_of):
        response = how(client, model, "write 50 words", max_output_tokens=3)
        equal(text_of(response, "MAX_TOKENS").split(), words(3), "the words")


def stop_sequence(client, model, _):
    for how in (ask, stream_of):
        response = how(client, model, "write 20 words", stop_sequences=["nothing", "word7"])
        equal(text_of(response).split(), words(6), "the words")


def count_tokens(client, model, _):
    texts = ("hello", "hello, and more than that " * 10)
    short, long = (client.models.count_tokens(model=model, contents=text).total_tokens for text in texts)
    check(0 < short < long, f"counted {short} and {long}")


def models(client, model, _):
    names = [listed.name for listed in client.models.list()]
    check(f"models/{model}" in names, f"the list lacks {model}: {names!r}")


def check_refusal(code, status, action):
    error = raises(errors, "ClientError", action)
    equal((error.code, error.status), (code, status), "the code and the status")
    check(error.message, f"the error has no message: {error.details!r}")


def error_400(client, model, _):
    # The client itself refuses to send nothing.
    for how in (ask, stream_of):
        check_refusal(400, "INVALID_ARGUMENT", lambda: how(client, model, [turn("narrator", "hello")]))


def error_404(client, _model, _):
    for how in (ask, stream_of):
        check_refusal(404, "NOT_FOUND", lambda: how(client, "no-such-model", "hello"))


def expect_error(client, model, argument):
    class_name, _, code = argument.partition(":")
    for how in (ask, stream_of):
        error = raises(errors, class_name, lambda: how(client, model, "hello"))
        equal(str(error.code), code or str(error.code), "the code")


def expect_stream_error(client, model, class_name):
    chunks = chunks_of(client, model, "write 50 words")
    harness.check_stream_error(errors, class_name, (chunk.text or "" for chunk in chunks))


CASES = [
    plain, stream, long_stream, system, multi_turn, tools, parallel_tools, tools_stream, no_argument_tool, automatic_tools,
    image, structured, thinking, length, stop_sequence, count_tokens, models, error_400, error_404, expect_error,
    expect_stream_error,
]  # fmt: skip


def connect(base_url):
    # Without retry options the client tries once.
    options = types.HttpOptions(base_url=base_url, api_version="v1beta", timeout=int(harness.CLIENT_TIMEOUT * 1000))
    return genai.Client(api_key=harness.KEY, http_options=options)


if __name__ == "__main__":
    harness.main({case.__name__: case for case in CASES}, connect)
