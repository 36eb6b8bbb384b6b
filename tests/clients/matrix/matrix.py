"""Runs one Python client on one task: `matrix.py CLIENT BASE_URL MODE PROMPT`, and prints its last answer.

CLIENT is tool_runner, agents, langchain or pydantic-ai, each in its default settings; MODE is `stream` or `whole`. The exit
code is 3 when the client raises, and what it raises is on standard error.
"""

import asyncio
import os
import sys
import warnings

ANSWER = "the switch stands at track nine and the signal shows green over the whole of the northern yard until the morning"
MAX_TOKENS = 2000

warnings.simplefilter("ignore")


def read_switch(switch: str) -> str:
    """Reads the position of a switch.

    Args:
        switch: Its name.
    """
    return ANSWER


def tool_runner(base_url, streams, prompt):
    import anthropic

    client = anthropic.Anthropic(base_url=base_url, api_key="test-key")
    runner = client.beta.messages.tool_runner(
        model="claude-opus-4-8",
        max_tokens=MAX_TOKENS,
        tools=[anthropic.beta_tool(read_switch)],
        messages=[{"role": "user", "content": prompt}],
        stream=streams,
    )
    if not streams:
        message = runner.until_done()
    else:
        for stream in runner:
            for _ in stream:
                pass
            message = stream.get_final_message()
    return "".join(block.text for block in message.content if block.type == "text")


def agents(base_url, streams, prompt):
    import agents

    agent = agents.Agent(name="yard", instructions="Answer.", tools=[agents.function_tool(read_switch)])
    if not streams:
        return agents.Runner.run_sync(agent, prompt).final_output

    async def run():
        result = agents.Runner.run_streamed(agent, prompt)
        async for _ in result.stream_events():
            pass
        return result.final_output

    return asyncio.run(run())


def langchain(base_url, streams, prompt):
    from langchain.agents import create_agent

    agent = create_agent(model="openai:gpt-5", tools=[read_switch])
    asked = {"messages": [{"role": "user", "content": prompt}]}
    if not streams:
        return agent.invoke(asked)["messages"][-1].text
    text, last = "", None
    for message, _ in agent.stream(asked, stream_mode="messages"):
        if message.id != last:
            text, last = "", message.id
        text += message.text
    return text


def pydantic_ai(base_url, streams, prompt):
    from pydantic_ai import Agent

    agent = Agent("openai:gpt-5", tools=[read_switch])
    if not streams:
        return agent.run_sync(prompt).output

    async def run():
        async with agent.run_stream(prompt) as result:
            return await result.get_output()

    return asyncio.run(run())


CLIENTS = {"tool_runner": tool_runner, "agents": agents, "langchain": langchain, "pydantic-ai": pydantic_ai}


def main():
    client, base_url, mode, prompt = sys.argv[1:]
    os.environ.update(OPENAI_BASE_URL=f"{base_url}/v1", OPENAI_API_KEY="test-key", OPENAI_AGENTS_DISABLE_TRACING="1")
    try:
        print(CLIENTS[client](base_url, mode == "stream", prompt))
    except Exception as error:
        print(f"{type(error).__module__}.{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(3)


main()
