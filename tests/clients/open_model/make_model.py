"""Writes a tiny model in llama.cpp's format: make_model.py FILE. Its weights are noise, and so is what it says, but every
part that a server needs is there: layers, a tokenizer, a chat template that knows tools."""

import sys

import gguf
import numpy

LAYERS, WIDTH, HEADS, INNER, CONTEXT = 2, 64, 2, 128, 4096
MARKS = ["<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>"]
TEMPLATE = """
{%- if tools %}<|im_start|>system
Tools: {% for tool in tools %}{{ tool | tojson }}
{% endfor %}Call one so: <tool_call>{"name": <name>, "arguments": <arguments>}</tool_call><|im_end|>
{% endif %}
{%- for message in messages %}<|im_start|>{{ message.role }}
{% if message.content %}{{ message.content }}{% endif %}
{%- for call in message.tool_calls or [] -%}
<tool_call>{"name": {{ call.function.name | tojson }}, "arguments": {{ call.function.arguments | tojson }}}</tool_call>
{%- endfor %}<|im_end|>
{% endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""


def letters():
    """The letter that stands for each byte in a byte-level vocabulary: itself if it can be printed, else one far off."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    far = {byte: chr(256 + place) for place, byte in enumerate(others)}
    return [far.get(byte) or chr(byte) for byte in range(256)]


def main(path):
    names = [*letters(), *MARKS]
    vocabulary = len(names)
    end, call, close = (names.index(mark) for mark in MARKS[1:])
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("noise")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(vocabulary)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(names)
    kinds = [gguf.TokenType.NORMAL] * 256 + [gguf.TokenType.CONTROL] * len(MARKS)
    writer.add_token_types(kinds)
    # The format wants merges; this one never applies, for its result is no word.
    writer.add_token_merges(["\u0100 \u0100"])
    writer.add_eos_token_id(end)
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)

    random = numpy.random.default_rng(1)

    def noise(rows, columns, scale):
        return (random.standard_normal((rows, columns)) * scale).astype(numpy.float32)

    def ones():
        return numpy.ones(WIDTH, numpy.float32)

    # The first number of every state is the same, whatever was read: so the first column of the output is a bias. It makes
    # small letters, the space and the quote likely, and now and then the start of a tool call; what follows it the server's
    # grammar sees to. The second number says that a tool call was closed: then the end follows, and else hardly ever.
    embedding = noise(vocabulary, WIDTH, 1)
    embedding[:, 0], embedding[:, 1] = 8, 0
    embedding[close, 1] = 20
    output = noise(vocabulary, WIDTH, 0.1)
    output[:, 0], output[:, 1] = 0, 0
    output[[*range(ord("a"), ord("z") + 1), ord(" "), ord('"')], 0] = 2
    output[256:, 0] = -4
    output[call, 0], output[close, 0] = 2.2, 1
    output[end, 1] = 4
    writer.add_tensor("token_embd.weight", embedding)
    for layer in range(LAYERS):
        block = f"blk.{layer}."
        back, down = noise(WIDTH, WIDTH, 0.05), noise(WIDTH, INNER, 0.05)
        back[:2], down[:2] = 0, 0
        writer.add_tensor(block + "attn_norm.weight", ones())
        for part in ("attn_q", "attn_k", "attn_v"):
            writer.add_tensor(f"{block}{part}.weight", noise(WIDTH, WIDTH, 0.05))
        writer.add_tensor(block + "attn_output.weight", back)
        writer.add_tensor(block + "ffn_norm.weight", ones())
        for part in ("ffn_gate", "ffn_up"):
            writer.add_tensor(f"{block}{part}.weight", noise(INNER, WIDTH, 0.05))
        writer.add_tensor(block + "ffn_down.weight", down)
    writer.add_tensor("output_norm.weight", ones())
    writer.add_tensor("output.weight", output)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


main(sys.argv[1])
