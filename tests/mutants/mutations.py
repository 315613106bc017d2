"""The mutants of a module: each is one small change of its syntax tree that a test should notice.

Left alone are docstrings, texts with spaces (messages for people; SQL is changed clause by clause) and annotations,
except the limits, patterns and literals in them, which a model enforces.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from types import CodeType
from typing import Any, NamedTuple

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
_NAMES = {
    "min": "max",
    "max": "min",
    "all": "any",
    "any": "all",
    "startswith": "endswith",
    "endswith": "startswith",
    "fullmatch": "match",
    "match": "search",
}
_KEYWORDS = (
    {"extra", "strict", "min_length", "max_length", "ge", "le", "gt", "lt", "pattern", "allow_inf_nan"}
    | {"forbid_unknown_fields", "tag", "tag_field", "lock", "validate_default"}
)  # fmt: skip
_SQL = re.compile(r"\s(select|insert|update|delete)\s", re.IGNORECASE)
_SQL_CLAUSE = re.compile(r"(?:(?<=\band )|(?<=\bwhere ))[\w.]+ (?:<=|>=|<>|=|<|>) (?::\w+|'\w+'|[\w.]+\b(?!\())")

# Row-level security holds it too, and has tests of its own.
_HELD_BY_POLICIES = "tenant_id = :tenant_id"


class Mutant(NamedTuple):
    """One change. ``name`` stays the same while the changed expression and its function do; ``line`` does not."""

    name: str
    line: int
    edit: tuple[Any, str, int | None, Any]
    tree: ast.Module

    def code(self, path: str) -> CodeType:
        """Compile the module with this change. The tree is changed: use it in a process of its own."""
        owner, field, index, replacement = self.edit
        if index is None:
            setattr(owner, field, replacement)
        else:
            getattr(owner, field)[index] = replacement
        return compile(ast.fix_missing_locations(self.tree), path, "exec", dont_inherit=True)


def mutants(source: str) -> list[Mutant]:
    """Return all mutants of a module, in the order of its text."""
    tree = ast.parse(source)
    found: list[Mutant] = []
    names: Counter[str] = Counter()
    for scope, owner, field, index, node, replacement in _edits(tree, "", in_annotation=False):
        name = f"{scope or 'module'}: {_shown(node)} → {_shown(replacement)}"
        if clause := getattr(replacement, "clause", None):
            name = f"{scope or 'module'}: SQL {clause} → true"
        names[name] += 1  # several clauses alike are told apart by their number
        if names[name] > 1:
            name += f" #{names[name]}"
        found.append(
            Mutant(name, getattr(node, "lineno", 0) or node.target.lineno, (owner, field, index, replacement), tree)
        )
    return found


def _shown(node: ast.AST) -> str:
    if isinstance(node, ast.If):
        return f"if {ast.unparse(node.test)}"
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 120 else f"{text[:80]}…{text[-39:]}"


_Edit = tuple[str, Any, str, int | None, Any, Any]


def _edits(owner: ast.AST, scope: str, *, in_annotation: bool) -> Iterator[_Edit]:
    for field, value in ast.iter_fields(owner):
        if field == "returns" or (isinstance(owner, ast.arg) and field == "annotation"):
            continue
        inside = in_annotation or field == "annotation"
        for index, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(node, ast.AST):
                continue
            if _is_message(node):
                continue
            for replacement in _replacements(node, owner, field, index, inside):
                yield scope, owner, field, index, node, replacement
            named = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
            below = f"{scope}.{node.name}".lstrip(".") if named else scope  # type: ignore[attr-defined]
            # The limits of a type stand in calls inside its annotation.
            leaves = isinstance(node, ast.Call) or (isinstance(node, ast.Subscript) and _is_literal(node))
            yield from _edits(node, below, in_annotation=inside and not leaves)


def _is_message(node: ast.AST) -> bool:
    """Tell whether a node is an f-string with a space between words, other than SQL."""
    if not isinstance(node, ast.JoinedStr):
        return False
    text = "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
    return " " in text and not _SQL.search(f" {text} ")


def _is_literal(node: ast.Subscript) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id == "Literal"


def _replacements(node: ast.AST, owner: ast.AST, field: str, index: int | None, in_annotation: bool) -> Iterator[Any]:
    if in_annotation:
        return
    match node:
        case ast.Compare(left, [operator], rest):
            for other in _COMPARISONS[type(operator)]:
                yield ast.Compare(left, [other()], rest)
        case ast.Compare(left, operators, rest):
            for at, operator in enumerate(operators):
                for other in _COMPARISONS[type(operator)]:
                    yield ast.Compare(left, [*operators[:at], other(), *operators[at + 1 :]], rest)
        case ast.BoolOp(operator, values):
            yield ast.BoolOp(ast.Or() if isinstance(operator, ast.And) else ast.And(), values)
            for at in range(len(values)):
                left_over = values[:at] + values[at + 1 :]
                yield left_over[0] if len(left_over) == 1 else ast.BoolOp(operator, left_over)
        case ast.UnaryOp(ast.Not(), operand):
            yield operand
        case ast.BinOp(left, operator, right) if type(operator) in _ARITHMETIC and not _constant(node):
            yield ast.BinOp(left, _ARITHMETIC[type(operator)](), right)
        case ast.If(test, body, orelse) if not isinstance(test, (ast.Compare, ast.BoolOp, ast.UnaryOp)):
            yield ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.IfExp(_, body, orelse):
            yield body
            yield orelse
        case ast.comprehension(target, iterable, [test], is_async):
            yield ast.comprehension(target, iterable, [], is_async)
        case ast.Return(ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield from (ast.Return(ast.Constant(other)) for other in _other_results(value))
        case ast.Raise() | ast.Expr(ast.Call() | ast.YieldFrom() | ast.Yield()):
            yield ast.Pass()
        case ast.Continue():
            yield ast.Break()
        case ast.Name(name) if name in _NAMES and isinstance(owner, ast.Call) and field == "func":
            yield ast.Name(_NAMES[name], ast.Load())
        case ast.Attribute(value, name) if name in _NAMES and isinstance(owner, ast.Call) and field == "func":
            yield ast.Attribute(value, _NAMES[name], ast.Load())
        case ast.keyword(str() as name, ast.Constant()) if name in _KEYWORDS and not _is_call_of(owner, "zip"):
            yield ast.keyword(None, ast.Dict([], []))
        case ast.Constant(str() as value) if _SQL.search(f" {value} "):
            yield from _other_statements(value)
        case ast.Constant(value) if not _is_text_for_people(owner, field) and not _is_setting(owner):
            yield from map(ast.Constant, _other_values(value))


def _is_call_of(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


def _is_setting(owner: ast.AST) -> bool:
    """Tell whether a value belongs to a keyword argument that is dropped as a whole, or that decides nothing."""
    return isinstance(owner, ast.keyword) and owner.arg in {
        "extra",
        "strict",
        "frozen",
        "slots",
        "fail_fast",
        "kw_only",
    }


def _constant(node: ast.AST) -> bool:
    return all(isinstance(x, (ast.BinOp, ast.Constant, ast.operator)) for x in ast.walk(node))


def _other_results(value: ast.expr) -> tuple[Any, ...]:
    if isinstance(value, (ast.Compare, ast.BoolOp)) or (
        isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.Not)
    ):
        return (True, False)
    if isinstance(value, ast.Constant) and isinstance(value.value, bool):
        return (not value.value,)
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in ("all", "any"):
        return (True, False)
    return (None,)


def _is_text_for_people(owner: ast.AST, field: str) -> bool:
    return isinstance(owner, (ast.JoinedStr, ast.FormattedValue)) or (isinstance(owner, ast.Expr) and field == "value")


def _other_values(value: Any) -> Iterator[Any]:
    match value:
        case bool():
            yield not value
        case int() | float():
            yield value + 1
            yield value - 1
        case str() | bytes() if _is_pattern(value):
            yield from _other_patterns(value)
        case str() if value and not re.search(r"\s", value):
            yield value + "x"
        case bytes() if value:
            yield value + b"x"


def _other_statements(sql: str) -> Iterator[ast.Constant]:
    for clause in _SQL_CLAUSE.finditer(sql):
        if not clause[0].endswith(_HELD_BY_POLICIES):
            made = ast.Constant(f"{sql[: clause.start()]}true{sql[clause.end() :]}")
            made.clause = clause[0]  # type: ignore[attr-defined]
            yield made


def _is_pattern(value: str | bytes) -> bool:
    text = value if isinstance(value, str) else value.decode("latin-1")
    return any(sign in text for sign in ("\\Z", "^", "[a-", "[A-", "[0-", "\\d", ".*"))


def _other_patterns(value: Any) -> Iterator[Any]:
    text = value if isinstance(value, str) else value.decode("latin-1")
    made = [re.sub(r"\\Z|(?<!\\)\$$", "", text), text.removeprefix("^")]
    for bounds in re.finditer(r"\{(\d*)(,?)(\d*)\}", text):
        for group in (1, 3):
            if bounds[group]:
                changed = str(int(bounds[group]) + (1 if group == 3 or not bounds[2] else -1))
                made.append(text[: bounds.start(group)] + changed + text[bounds.end(group) :])
    for other in made:
        if other != text and "{-1" not in other:
            yield other if isinstance(value, str) else other.encode("latin-1")
