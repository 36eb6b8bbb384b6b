"""What the scripts share: the command line, one line for each case, and checks that say what was wrong."""

import base64
import json
import os
import sys
import threading
import traceback
import warnings

for name in list(os.environ):
    if name.startswith(("ANTHROPIC_", "OPENAI_", "GEMINI_", "GOOGLE_")) or name.lower().endswith("_proxy"):
        del os.environ[name]
warnings.simplefilter("ignore")

KEY = "test-key"
CLIENT_TIMEOUT = 30.0
# The clients' timeout counts from one byte to the next, so it alone would not end a stream that trickles.
CASE_TIMEOUT = 60.0
# Gemini and Ollama stream calls in one piece.
CALLS_ARE_WHOLE = bool(os.environ.get("CALLS_ARE_WHOLE"))

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mNQSFgAAAHEASFcollRAAAAAElFTkSuQmCC"
PNG_BYTES = len(base64.b64decode(PNG))

SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "days": {"type": "array", "items": {"type": "integer"}},
        "sky": {"type": "object", "properties": {"clear": {"type": "boolean"}}, "required": ["clear"], "additionalProperties": False},
        "unit": {"type": "string", "enum": ["C", "F"]},
    },
    "required": ["city", "days", "sky", "unit"],
    "additionalProperties": False,
}

# Tools by name: description and schema.
TOOLS = {
    "get_weather": ("The weather in a city", {"city": {"type": "string"}}),
    "get_time": ("The time in a zone", {"zone": {"type": "string"}}),
    "now": ("The time here", {}),
}


def parameters(properties):
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


class Failed(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failed(text)


def equal(actual, expected, what):
    check(actual == expected, f"{what} is {actual!r}, not {expected!r}")


def contains(text, part, what="the text"):
    check(isinstance(text, str) and part in text, f"{what} is {text!r}, which does not contain {part!r}")


def words(count):
    return [f"word{number}" for number in range(1, count + 1)]


def check_document(text):
    """It fits SCHEMA."""
    try:
        document = json.loads(text)
    except (TypeError, ValueError):
        raise Failed(f"not JSON: {text!r}") from None
    check(isinstance(document, dict), f"not an object: {text!r}")
    equal(sorted(document), sorted(SCHEMA["required"]), "the list of fields")
    check(isinstance(document["city"], str), f"`city` is not a string: {text}")
    check(all(type(day) is int for day in document["days"]), f"`days` are not integers: {text}")
    check(isinstance(document["sky"].get("clear"), bool), f"`sky.clear` is not a boolean: {text}")
    check(document["unit"] in ("C", "F"), f"`unit` is not of the enum: {text}")


def raises(sdk, class_name, action):
    """The error that the action raises, which must be of exactly this class of the SDK."""
    expected = getattr(sdk, class_name, None)
    check(isinstance(expected, type), f"{sdk.__name__} has no class {class_name}")
    try:
        result = action()
    except Failed:
        raise
    except Exception as error:
        check(type(error) is expected, f"raised {named(error)}, not {class_name}")
        return error
    raise Failed(f"nothing was raised, not even {class_name}; the result is {result!r}")


def check_stream_error(sdk, class_name, texts):
    """The texts of a reply to `write 50 words` break off with this error, after at least one of them."""
    text = ""

    def read():
        nonlocal text
        for part in texts:
            text += part
        return text

    raises(sdk, class_name, read)
    check(text.strip(), f"{class_name} came before any text")
    check(" ".join(words(50)).startswith(text), f"not the start of the reply: {text!r}")


def named(error):
    return f"{type(error).__module__}.{type(error).__name__}: {error}"


def main(cases, connect):
    """`connect` takes the base URL and makes a client; a case takes a client, the model and what follows its colon."""
    if len(sys.argv) < 4:
        sys.exit(f"usage: {sys.argv[0]} BASE_URL MODEL CASE...\ncases: {' '.join(cases)}")
    base_url, model, names = sys.argv[1], sys.argv[2], sys.argv[3:]
    client = connect(base_url.rstrip("/"))
    for name in names:
        word, _, argument = name.partition(":")
        if word not in cases:
            fail(name, f"no such case; there are: {' '.join(cases)}")
        watchdog = threading.Timer(CASE_TIMEOUT, fail, (name, f"no end after {CASE_TIMEOUT:.0f} s"))
        watchdog.daemon = True
        watchdog.start()
        try:
            cases[word](client, model, argument)
        except Failed as failed:
            fail(name, f"{failed} ({where(failed)})")
        except Exception as error:
            fail(name, f"{named(error)} ({where(error)})")
        watchdog.cancel()
        print(f"ok {name}", flush=True)


def where(error):
    """The innermost line of the script itself."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == sys.argv[0]]
    return f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else "before the case began"


def fail(name, text):
    print(f"FAILED {name}: {text}", file=sys.stderr, flush=True)
    # Also from the watchdog's thread, and past a socket that hangs.
    os._exit(1)
