# SPDX-License-Identifier: Apache-2.0
"""Random templates over the variables of snippets.py: most render, many do not."""

NAMES = ["s", "t", "e", "n", "z", "f", "yes", "no", "nil", "l", "w", "d", "nest", "m", "lines", "quote", "undefd", "x", "y"]
CONSTANTS = ["0", "1", "2", "-1", "2.5", "'a'", "'l'", "' '", "''", "'é漢'", "true", "false", "none", "[]", "[1, 'b']", "{'k': 1}", "(1, 2)"]
FILTERS = ["trim", "length", "upper", "lower", "title", "capitalize", "replace('l', 'LL')", "join", "join('-')", "first", "last", "list", "items",
           "default('D')", "default('D', true)", "int", "float", "string", "tojson", "tojson(indent=2)", "indent", "indent(2, true)", "sort", "unique", "dictsort",
           "reverse", "map('upper')", "map(attribute='role')", "select", "reject('none')", "selectattr('role')", "selectattr('i', 'defined')", "abs"]  # fmt: skip
TESTS = ["defined", "undefined", "none", "string", "mapping", "iterable", "sequence", "number", "boolean", "true", "false", "odd", "even", "integer", "equalto 1", "in l"]
METHODS = ["strip()", "lstrip()", "rstrip('d ')", "split()", "split('l')", "split('l')[-1]", "startswith('H')", "endswith('d')", "replace('l', 'x')", "upper()", "title()",
           "find('l')", "count('l')", "get('a')", "get('zz', 3)", "items()|list", "keys()|list", "values()|list", "splitlines()", "a", "b", "role", "k", "content"]  # fmt: skip
OPERATORS = ["+", "-", "*", "/", "//", "%", "~", "==", "!=", "<", "<=", ">", ">=", "in", "not in", "and", "or"]
SUBSCRIPTS = ["[0]", "[-1]", "[1:]", "[:-1]", "[::-1]", "['a']", "['role']", "[:2]", "[9]"]
SPACES = ["", " ", "\n", "  \n", "\n  ", "\t", "text", "\n\n", " a\n b "]


def _expression(rng, depth):
    if depth == 0 or rng.random() < 0.2:
        return rng.choice(NAMES) if rng.random() < 0.7 else rng.choice(CONSTANTS)
    inner = _expression(rng, depth - 1)
    kind = rng.randrange(9)
    if kind == 0:
        return f"{inner} {rng.choice(OPERATORS)} {_expression(rng, depth - 1)}"
    if kind == 1:
        return f"({inner})"
    if kind == 2:
        return f"{inner}|{rng.choice(FILTERS)}"
    if kind == 3:
        return f"{inner} is {rng.choice(['', 'not '])}{rng.choice(TESTS)}"
    if kind == 4:
        return f"{inner}.{rng.choice(METHODS)}"
    if kind == 5:
        return f"{inner}{rng.choice(SUBSCRIPTS)}"
    if kind == 6:
        return f"{inner} if {_expression(rng, depth - 1)} else {_expression(rng, depth - 1)}"
    if kind == 7:
        return f"not {inner}"
    return f"[{inner}, {_expression(rng, depth - 1)}]"


def _tag(rng, content):
    return "{%" + rng.choice(["", "", "-", "+"]) + f" {content} " + rng.choice(["", "", "-", "+"]) + "%}"


def _body(rng, depth, in_loop):
    return "".join(rng.choice(SPACES) + _statement(rng, depth, in_loop) for _ in range(rng.randint(1, 3))) + rng.choice(SPACES)


def _statement(rng, depth, in_loop):
    kind = rng.randrange(10) if depth else 0
    expression = _expression(rng, 2)
    if kind <= 3:
        return "{{" + rng.choice(["", "-"]) + f" {expression} " + rng.choice(["", "-"]) + "}}"
    if kind == 4:
        return _tag(rng, f"set {rng.choice('xy')} = {expression}")
    if kind in (5, 6):
        otherwise = _tag(rng, "else") + _body(rng, depth - 1, in_loop) if rng.random() < 0.5 else ""
        middle = _tag(rng, f"elif {_expression(rng, 1)}") + _body(rng, depth - 1, in_loop) if rng.random() < 0.3 else ""
        return _tag(rng, f"if ({expression})") + _body(rng, depth - 1, in_loop) + middle + otherwise + _tag(rng, "endif")
    if kind == 7:
        condition = f" if {_expression(rng, 1)} is defined" if rng.random() < 0.3 else ""
        jump = _tag(rng, "if loop.index > 2") + _tag(rng, rng.choice(["break", "continue"])) + _tag(rng, "endif") if rng.random() < 0.3 else ""
        over = rng.choice(["l", "w", "d", "m", "s", "nest.k", "range(3)", expression])
        inner = "{{ loop.index }}{{ x }}" + jump + _body(rng, depth - 1, True)
        return _tag(rng, f"for x in ({over}){condition}") + inner + _tag(rng, "endfor")
    if kind == 8:
        return "{#" + rng.choice(["", "-"]) + " c " + rng.choice(["", "-"]) + "#}"
    return _tag(rng, "set y") + _body(rng, depth - 1, False) + _tag(rng, "endset")


def random_template(rng):
    return _body(rng, 3, False)
