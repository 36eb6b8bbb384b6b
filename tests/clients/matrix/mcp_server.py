"""An MCP server over standard input and output, whose tools have names as long as real ones: with the prefix that Claude Code
puts before them (`mcp__yard__`), more than the 64 letters that OpenAI, Gemini's older models and Bedrock allow.

Many tools and long descriptions, so that a client that searches among tools has a reason to.
"""

from mcp.server.mcpserver import MCPServer

ANSWER = "the switch stands at track nine and the signal shows green over the whole of the northern yard until the morning"
NAME = "read_the_position_of_one_switch_in_the_northern_yard_of_the_railway_{number:02}"

server = MCPServer("yard")


def add(number):
    def tool(switch: str) -> str:
        return ANSWER

    server.add_tool(tool, name=NAME.format(number=number), description=f"Reads the position of a switch of group {number}.")


for number in range(12):
    add(number)

server.run()
