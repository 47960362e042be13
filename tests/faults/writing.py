"""Every place in the source that can change a file, found in its syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "reconciler"

_BY_PATH = frozenset(
    {
        "rename",
        "replace",
        "renames",
        "unlink",
        "remove",
        "rmdir",
        "removedirs",
        "mkdir",
        "makedirs",
        "chmod",
        "lchmod",
        "chown",
        "lchown",
    }
    | {"symlink", "link", "truncate", "mknod", "mkfifo", "utime", "setxattr", "removexattr"}
)
_BY_DESCRIPTOR = frozenset(
    {"fchmod", "fchown", "ftruncate", "posix_fallocate", "copy_file_range", "sendfile"}
)
_OPENS_FOR_WRITING = frozenset({"O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND", "O_TMPFILE"})
_METHODS = frozenset({"write_text", "write_bytes", "touch", "symlink_to", "hardlink_to"})
_MODULES = frozenset({"shutil", "tempfile", "ctypes"})
_DESCRIPTOR_OF_A_DIRECTORY = frozenset({"dir_fd", "src_dir_fd"})


@dataclass(frozen=True, slots=True)
class Effect:
    """A call that can change a file.

    `held`: what it changes is named beneath an open directory, or is open itself.
    """

    module: str
    function: str
    call: str
    held: bool
    line: int


def effects(package: Path = PACKAGE) -> list[Effect]:
    """All of them."""
    return [
        effect
        for path in sorted(package.rglob("*.py"))
        for effect in effects_of(path.read_text("utf-8"), _name(path, package))
    ]


def _name(path: Path, package: Path) -> str:
    return ".".join(path.relative_to(package).with_suffix("").parts)


def effects_of(source: str, module: str) -> list[Effect]:
    """Those of one module."""
    tree = ast.parse(source)
    flags = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return list(_in(tree, "", module, flags))


def _in(node: ast.AST, function: str, module: str, flags: dict[str, ast.expr]) -> Iterator[Effect]:
    for child in ast.iter_child_nodes(node):
        name = function
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{function}.{child.name}" if function else child.name
        if isinstance(child, ast.Call) and (found := _effect(child, flags)):
            yield Effect(module, function, *found, child.lineno)
        if isinstance(child, ast.ImportFrom) and child.module in {"os", *_MODULES}:
            yield Effect(module, function, f"from {child.module} import", held=False, line=child.lineno)
        yield from _in(child, name, module, flags)


def _effect(call: ast.Call, flags: dict[str, ast.expr]) -> tuple[str, bool] | None:
    """The name of what changes a file and whether it is held; None when nothing is changed."""
    match call.func:
        case (
            ast.Name("open") | ast.Attribute(ast.Name("io"), "open") | ast.Attribute(ast.Name("os"), "fdopen")
        ):
            return _built_in(call)
        case ast.Attribute(ast.Name("os"), "open"):
            return ("os.open", _held(call)) if _names(call.args[1:], flags) & _OPENS_FOR_WRITING else None
        case ast.Attribute(ast.Name("os"), name) if name in _BY_PATH | _BY_DESCRIPTOR:
            return f"os.{name}", name in _BY_DESCRIPTOR or _held(call)
        case ast.Attribute(ast.Name(module), name) if module in _MODULES and name not in (
            "get_errno",
            "which",
        ):
            return f"{module}.{name}", False
        case ast.Attribute(_, name) if name in _METHODS:
            return name, False
    return None


def _held(call: ast.Call) -> bool:
    """Named beneath an open directory; or /proc/self/fd, which is the open file itself."""
    by_descriptor = any(keyword.arg in _DESCRIPTOR_OF_A_DIRECTORY for keyword in call.keywords)
    return by_descriptor or "/proc/self/fd/" in ast.unparse(call.args[0])


def _built_in(call: ast.Call) -> tuple[str, bool] | None:
    """The built-in open: of a descriptor it changes nothing that was not opened for that.

    A mode that is no constant may be anything.
    """
    mode = next((keyword.value for keyword in call.keywords if keyword.arg == "mode"), None)
    mode = mode or (call.args[1] if len(call.args) > 1 else ast.Constant("r"))
    if isinstance(mode, ast.Constant) and not set(str(mode.value)) & set("wax+"):
        return None
    opened = call.args[0]
    is_descriptor = isinstance(opened, ast.Name) and opened.id in ("fd", "descriptor")
    return "open", is_descriptor or (
        isinstance(opened, ast.Call) and ast.unparse(opened.func) == "os.open" and _held(opened)
    )


def _names(expressions: list[ast.expr], flags: dict[str, ast.expr]) -> set[str]:
    """The flags in an expression, those of the module's own constants included.

    An argument may have any flags.
    """
    found: set[str] = set()
    for node in (node for expression in expressions for node in ast.walk(expression)):
        if isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.Name) and node.id in flags:
            found |= _names(
                [flags[node.id]], {name: value for name, value in flags.items() if name != node.id}
            )
        elif isinstance(node, ast.Name) and node.id != "os":
            found |= (
                {"O_WRONLY"}
                if node.id.isidentifier() and node.id in ("access", "flags", "flag", "mode")
                else set()
            )
    return found
