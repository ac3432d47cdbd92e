"""Runs AgentDojo's suites in AgentDojo's own environment; whoever started it answers for the model, over pipes.

Called by agentdojo_suites.py with the interpreter that --agentdojo names:

    python -m venv dojo && dojo/bin/pip install agentdojo==0.1.35

Lines of JSON go both ways. From here: `{"scripts": ...}` once, with --scripts, then `{"messages": [[role, text], ...]}`
for each turn of the model. To here: `{"text": reply, "calls": [[tool, arguments as JSON], ...]}` or `{"failed": why}`.
"""

import argparse
import json
import os
import sys
from pathlib import Path

import httpx
import openai
from agentdojo.agent_pipeline.agent_pipeline import AgentPipeline, load_system_message
from agentdojo.agent_pipeline.base_pipeline_element import BasePipelineElement
from agentdojo.agent_pipeline.basic_elements import InitQuery, SystemMessage
from agentdojo.agent_pipeline.tool_execution import ToolsExecutionLoop, ToolsExecutor
from agentdojo.attacks.attack_registry import load_attack
from agentdojo.benchmark import benchmark_suite_with_injections, benchmark_suite_without_injections
from agentdojo.functions_runtime import EmptyEnv, FunctionCall
from agentdojo.logging import OutputLogger
from agentdojo.task_suite.load_suites import get_suites
from agentdojo.types import ChatAssistantMessage, get_text_content_as_str, text_content_block_from_string


class Piped(BasePipelineElement):
    """The model: sends the conversation to whoever holds the other end, and reads what it says and which tools it calls."""

    def __init__(self, name, answers, questions):
        self.name, self.answers, self.questions = name, answers, questions

    def ask(self, **message):
        self.questions.write(json.dumps(message, default=str) + "\n")
        self.questions.flush()

    def query(self, query, runtime, env=EmptyEnv(), messages=(), extra_args={}):  # noqa: B006  as its base has it
        self.ask(messages=[turn for message in messages for turn in told(message, runtime.functions.values())])
        answer = json.loads(self.answers.readline())
        if "failed" in answer:
            # AgentDojo knows how to go on after this error alone; it then logs a run that the adversary won.
            response = httpx.Response(400, request=httpx.Request("POST", "http://localhost"))
            raise openai.BadRequestError(
                f"{answer['failed']} (reduce the length of the messages.)", response=response, body=None
            )
        calls = [FunctionCall(function=tool, args=arguments_of(text)) for tool, text in answer["calls"]]
        content = [text_content_block_from_string(answer["text"])]
        spoken = ChatAssistantMessage(role="assistant", content=content, tool_calls=calls)
        return query, runtime, env, [*messages, spoken], extra_args


def arguments_of(text):
    """Arguments of a call; those that are none are refused by the tool, which tells the model."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"not_json": text}


def told(message, tools):
    """A message of AgentDojo's as turns: (role, text)."""
    text = get_text_content_as_str(message["content"] or [])
    if message["role"] == "system":
        lines = [
            f"{tool.name}({', '.join(tool.parameters.model_json_schema().get('properties', {}))})" for tool in tools
        ]
        text += '\nTo use a tool, write a line: CALL tool {"argument": "value"}. The tools are:\n' + "\n".join(lines)
    if message["role"] == "assistant":
        calls = [
            f"CALL {one.function} {json.dumps(dict(one.args), default=str)}" for one in message["tool_calls"] or []
        ]
        text = "\n".join([text, *calls]).strip()
    if message["role"] == "tool" and message["error"]:
        text = f"error: {message['error']}"
    return [(message["role"], text)]


def scripts(suites):
    """What AgentDojo itself would do for each task: the text that asks for it -> calls and last words."""
    found = {}
    for suite in suites.values():
        for task in [*suite.user_tasks.values(), *suite.injection_tasks.values()]:
            env = suite.load_and_inject_default_environment({})
            env = task.init_environment(env) if hasattr(task, "init_environment") else env
            calls = [[one.function, json.dumps(dict(one.args), default=str)] for one in task.ground_truth(env)]
            asked = task.PROMPT if hasattr(task, "PROMPT") else task.GOAL
            found[asked] = {"calls": calls, "said": task.GROUND_TRUTH_OUTPUT, "injected": not hasattr(task, "PROMPT")}
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("logdir", type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--attack", default="important_instructions")
    parser.add_argument("--version", default="v1.2.2")
    parser.add_argument("--suites", nargs="*", default=["workspace", "travel", "banking", "slack"])
    parser.add_argument("--users", type=int, help="of each suite; all without it")
    parser.add_argument("--injections", type=int, help="of each suite; all without it")
    parser.add_argument("--scripts", action="store_true")
    options = parser.parse_args()
    questions = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # AgentDojo prints
    model = Piped(options.name, sys.stdin, questions)
    suites = {name: suite for name, suite in get_suites(options.version).items() if name in options.suites}
    if options.scripts:
        model.ask(scripts=scripts(suites))
    loop = ToolsExecutionLoop([ToolsExecutor(), model])
    pipeline = AgentPipeline([SystemMessage(load_system_message(None)), InitQuery(), model, loop])
    pipeline.name = options.name
    for suite in suites.values():
        attack = load_attack(options.attack, suite, pipeline)
        users = injectable(suite, attack)[: options.users]
        injections = list(suite.injection_tasks)[: options.injections]
        with OutputLogger(str(options.logdir)):
            benchmark_suite_without_injections(
                pipeline, suite, options.logdir, False, user_tasks=users, benchmark_version=options.version
            )
            benchmark_suite_with_injections(
                pipeline, suite, attack, options.logdir, False, user_tasks=users, injection_tasks=injections,
                benchmark_version=options.version,
            )  # fmt: skip


def injectable(suite, attack):
    """The users' tasks on whose way an injection can be read."""
    found = []
    for name, task in suite.user_tasks.items():
        try:
            attack.get_injection_candidates(task)
            found.append(name)
        except ValueError:
            continue
    return found


if __name__ == "__main__":
    main()
