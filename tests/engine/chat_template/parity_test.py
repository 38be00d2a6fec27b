#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares render_chats with PyPI `jinja2`, set up as `transformers` sets it up, byte for byte.

    parity_test.py RENDER_CHATS [--gguf FILE] [--random N] [--seed N]

Four parts: the chat templates in the PyPI package `axolotl` (more than twenty families) and in a GGUF file, each over chats with and
without system message, tools, tool calls, reasoning, documents, parts, characters beyond ASCII and nothing; small templates for each
construct; random templates. What one refuses the other must refuse, but for what we say is not supported, which is counted.
"""

import argparse
import copy
import datetime
import importlib.util
import json
import random
import subprocess
import sys
from pathlib import Path

import jinja2
import transformers.utils.chat_template_utils as theirs

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
from random_template import random_template  # noqa: E402
from snippets import SNIPPETS, VARIABLES  # noqa: E402

NOW = datetime.datetime(2024, 7, 26, 13, 5, 9, tzinfo=datetime.timezone.utc)
TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
NESTED = {"type": "object", "properties": {"x": {"type": ["string", "null"], "description": "a 'quoted' \"name\"", "enum": ["a", "ü"]}}}
WEATHER = {"name": "get_weather", "description": "Weather of a city.\nToday's.", "parameters": {
    "type": "object", "required": ["city"], "properties": {"city": {"type": "string", "description": "München & co <b>"},
    "days": {"type": "integer", "default": 1}, "nested": NESTED, "list": {"type": "array", "items": NESTED}}}}  # fmt: skip
TOOLS = [{"type": "function", "function": WEATHER}, {"type": "function", "function": {"name": "stop", "description": "", "parameters": {"type": "object", "properties": {}}}}]
CALL = {"role": "assistant", "content": "", "tool_calls": [{"id": "call12345", "type": "function", "function": {"name": "get_weather", "arguments": {"city": "Zürich", "days": 2.5, "deep": {"a": [1, None, True]}}}}]}
RESULT = {"role": "tool", "tool_call_id": "call12345", "name": "get_weather", "content": '{"t": 21.5}'}
USER, SYSTEM = {"role": "user", "content": "  Hello, who are you?\n"}, {"role": "system", "content": "Be brief. "}
ANSWER = {"role": "assistant", "content": "<think>\nhm\n</think>\n\nI am. \U0001f642 é 漢字"}
PARTS = {"role": "user", "content": [{"type": "text", "text": "two"}, {"type": "image"}, {"type": "text", "text": " parts"}]}
CHATS = [
    [USER], [SYSTEM, USER], [USER, ANSWER], [SYSTEM, USER, ANSWER, USER, ANSWER, USER], [], [SYSTEM], [ANSWER], [USER, USER],
    [USER, ANSWER, ANSWER], [{"role": "user", "content": ""}, {"role": "assistant", "content": ""}], [{"role": "user"}],
    [USER, {**CALL, "content": "Let me see."}, RESULT, ANSWER, USER], [SYSTEM, USER, CALL, RESULT, RESULT, ANSWER], [USER, CALL], [PARTS, ANSWER],
    [SYSTEM, PARTS], [USER, {"role": "assistant", "content": "So.", "reasoning_content": "because", "thinking": "because"}, USER, {**ANSWER, "reasoning_content": "why"}],
    [{"role": "developer", "content": "d"}, USER], [USER, SYSTEM, ANSWER], [{"role": "strange", "content": "x"}], [USER, {"role": "assistant", "content": None}],
    [{"role": "user", "content": "\r\n\ttabs\u2028 and \u00a0spaces <|im_end|> {{ x }} {% if %}"}, {"role": "assistant", "content": "a\nb"}],
]  # fmt: skip
OPTIONS = [
    {"add_generation_prompt": False, "tools": None, "documents": None},
    {"add_generation_prompt": True, "tools": None, "documents": None, "enable_thinking": False},
    {"add_generation_prompt": True, "tools": TOOLS, "documents": None, "enable_thinking": True},
    {"add_generation_prompt": False, "tools": TOOLS[:1], "documents": [{"title": "One", "text": "Text of\none."}], "reasoning": True, "strict": True},
]


class Comparison:
    def __init__(self, tool):
        self.tool = tool
        self.cases = []
        self.told = set()
        self.counts = {"rendered": 0, "refused by both": 0, "not supported": 0, "addresses": 0, "refused sooner": 0, "different": 0}

    def add(self, name, template, variables):
        self.cases.append((name, template, variables))

    def run(self):
        lines = "".join(json.dumps({"template": t, "variables": v}) + "\n" for _, t, v in self.cases)
        done = subprocess.run([self.tool, str(int(NOW.timestamp()))], input=lines, capture_output=True, text=True)
        answers = [json.loads(line) for line in done.stdout.split("\n")[:-1]]
        assert done.returncode == 0 and len(answers) == len(self.cases), (done.returncode, len(answers), done.stderr[-2000:])
        for case, answer in zip(self.cases, answers):
            self.counts[self.judge(case, answer)] += 1
        self.cases = []

    def judge(self, case, answer):
        name, template, variables = case
        try:
            want, fault = theirs._compile_jinja_template(template).render(**copy.deepcopy(variables), strftime_now=NOW.strftime), None
        except jinja2.TemplateAssertionError:
            # Jinja refuses unknown filters and tests before it renders, we where they are reached.
            return "refused by both" if "error" in answer else "refused sooner"
        except Exception as error:
            want, fault = None, f"{type(error).__name__}: {error}"
        if want is not None and (" at 0x" in want or "dict_" in want):
            return "addresses"
        if want is None and "error" in answer:
            return "refused by both"
        if want is not None and answer.get("text") == want:
            return "rendered"
        if want is not None and "not supported" in answer.get("error", ""):
            if name != "random" and (name, answer["error"]) not in self.told:
                self.told.add((name, answer["error"]))
                print(f"NOT SUPPORTED {name}: {answer['error']}")
            return "not supported"
        if self.counts["different"] < 20:
            print(f"DIFFERENT {name}\n template {template[:600]!r}\n ours     {str(answer)[:900]}\n theirs   {want!r:.900} {fault}")
        return "different"


def gguf_template(path):
    from gguf import GGUFReader

    field = GGUFReader(path).fields["tokenizer.chat_template"]
    return bytes(field.parts[field.data[0]]).decode("utf-8")


def family_templates(gguf):
    folder = Path(importlib.util.find_spec("axolotl").submodule_search_locations[0]) / "utils/chat_templates/templates"
    templates = {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.jinja"))}
    if gguf:
        templates["smollm2"] = gguf_template(gguf)
    return templates


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool")
    parser.add_argument("--gguf")
    parser.add_argument("--random", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    comparison = Comparison(options.tool)
    templates = family_templates(options.gguf)
    for name, template in templates.items():
        before = comparison.counts["rendered"]
        for chat in CHATS:
            for values in OPTIONS:
                comparison.add(name, template, {"messages": chat, **values, **TOKENS})
        comparison.run()
        assert comparison.counts["rendered"] > before, f"{name} renders nothing"
    print(f"{len(templates)} templates: {comparison.counts}")
    for snippet in SNIPPETS:
        comparison.add("snippet", snippet, VARIABLES)
    comparison.run()
    print(f"and {len(SNIPPETS)} snippets: {comparison.counts}")
    rng = random.Random(options.seed)
    for _ in range(options.random):
        comparison.add("random", random_template(rng), VARIABLES)
    comparison.run()
    print(f"and {options.random} random templates: {comparison.counts}")
    sys.exit(1 if comparison.counts["different"] else 0)


main()
