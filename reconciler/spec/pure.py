"""libyaml's language without libyaml: PyYAML's own scanner, corrected where libyaml's (src/scanner.c) accepts
or refuses something else.

Where the C module is missing, the same specs are valid, only 20 times slower. The two scanners differ about
tabs, which libyaml accepts between tokens and inside unquoted text, about `:` and `?` in brackets and braces,
and about unknown directives.
"""

from __future__ import annotations

from typing import Any

from yaml.error import Mark
from yaml.events import ScalarEvent, StreamEndEvent
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner, ScannerError
from yaml.tokens import ScalarToken

_BREAKS = "\n\r\x85\u2028\u2029"
_BLANKS = " \t"
_SPACES = "\0" + _BREAKS + _BLANKS
_PLAIN = "while scanning a plain scalar"
_BLOCK = "while scanning a block scalar"


class PureParser(Reader, Scanner, Parser):
    """The events of yaml._yaml.CParser for the same text."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        self._ended = False

    def next_event(self) -> Any:
        """The next event; None after the last one. Raises YAMLError."""
        if self._ended:
            return None
        event = self.get_event()  # type: ignore[no-untyped-call]  # so in its stubs
        self._ended = type(event) is StreamEndEvent
        return event

    def parse_flow_mapping_key(self, first: bool = False) -> Any:
        """A key in braces."""
        return self._placed(super().parse_flow_mapping_key(first))

    def parse_flow_mapping_value(self) -> Any:
        """The value of a key in braces."""
        return self._placed(super().parse_flow_mapping_value())  # type: ignore[no-untyped-call]  # likewise

    def parse_flow_sequence_entry_mapping_value(self) -> Any:
        """The value of a key in brackets."""
        return self._placed(super().parse_flow_sequence_entry_mapping_value())  # type: ignore[no-untyped-call]  # likewise

    def _placed(self, event: Any) -> Any:
        """The event; an absent scalar gets the position of the next token."""
        if type(event) is ScalarEvent and event.start_mark is event.end_mark:
            event.start_mark = event.end_mark = self.peek_token().start_mark  # type: ignore[no-untyped-call]  # likewise
        return event

    def fetch_stream_end(self) -> None:
        """The end of the text, which begins a line."""
        if self.column:
            self.line, self.column = self.line + 1, 0
        super().fetch_stream_end()

    def scan_to_next_token(self) -> None:
        """Skip blanks and comments. A tab is a blank, except where a key or an item may begin."""
        while True:
            while self.peek() == " " or (
                self.peek() == "\t" and (self.flow_level or not self.allow_simple_key)
            ):
                self.forward()
            self._skip_comment()
            if not self.scan_line_break():  # type: ignore[no-untyped-call]  # likewise
                return
            if not self.flow_level:
                self.allow_simple_key = True

    def scan_directive_name(self, start_mark: Mark) -> str:
        """The name of a directive: there are two."""
        name: str = super().scan_directive_name(start_mark)  # type: ignore[no-untyped-call]  # likewise
        if name not in ("YAML", "TAG"):
            raise ScannerError(
                "while scanning a directive", start_mark, "found unknown directive name", self.get_mark()
            )
        return name

    def scan_plain(self) -> ScalarToken:
        """Unquoted text of one or more lines.

        The space between its words may hold tabs.
        """
        start = end = self.get_mark()
        indent, text, blanks, broken = self.indent + 1, "", "", False
        while not self._at_document_indicator() and self.peek() != "#":
            word = self._word(start)
            if word:
                self.allow_simple_key = False
                text, blanks, broken = text + blanks + word, "", False
                end = self.get_mark()
            if self.peek() not in _BLANKS + _BREAKS:
                break
            blanks, broken = self._between_words(indent, start)
            if not self.flow_level and self.column < indent:
                break
        self.allow_simple_key = self.allow_simple_key or broken
        return ScalarToken(text, plain=True, start_mark=start, end_mark=end)

    def _word(self, start: Mark) -> str:
        """The characters up to a blank, or to a character that ends unquoted text."""
        length, ends = 0, ",[]{}" if self.flow_level else ""
        while (character := self.peek(length)) not in _SPACES + ends:
            following = self.peek(length + 1) if character == ":" else "x"
            if following in _SPACES:
                break
            if self.flow_level and following in ",?[]{}":
                self.forward(length)
                raise ScannerError(_PLAIN, start, "found unexpected ':'", self.get_mark())
            length += 1
        word: str = self.prefix(length)
        self.forward(length)
        return word

    def _between_words(self, indent: int, start: Mark) -> tuple[str, bool]:
        """The text that stands for blanks and line breaks in unquoted text, and whether there is a break
        among them.
        """
        blanks, breaks = "", ""
        while (character := self.peek()) in _BLANKS + _BREAKS:
            if character in _BREAKS:
                breaks += self.scan_line_break()  # type: ignore[no-untyped-call]  # likewise
                continue
            if breaks and character == "\t" and self.column < indent:
                raise ScannerError(
                    _PLAIN, start, "found a tab character that violates indentation", self.get_mark()
                )
            blanks += character
            self.forward()
        return (breaks[1:] or " ", True) if breaks else (blanks, False)

    def _at_document_indicator(self) -> bool:
        return self.column == 0 and self.prefix(3) in ("---", "...") and self.peek(3) in _SPACES

    def scan_block_scalar_indicators(self, start_mark: Mark) -> tuple[bool | None, int | None]:
        """Whether final line breaks are kept, and the indentation, each if the text gives it; a comment may
        follow without a blank.
        """
        keep: bool | None = None
        indentation: int | None = None
        for _ in range(2):
            if self.peek() in "+-" and keep is None:
                keep = self.peek() == "+"
            elif self.peek() in "123456789" and indentation is None:
                indentation = int(self.peek())
            else:
                break
            self.forward()
        return keep, indentation

    def scan_block_scalar_ignored_line(self, start_mark: Mark) -> None:
        """The rest of the line after `|` or `>`."""
        while self.peek() in _BLANKS:
            self.forward()
        super().scan_block_scalar_ignored_line(start_mark)

    def scan_block_scalar_indentation(self) -> tuple[list[str], int, Mark]:
        """The empty lines before the text, and how far it is indented."""
        lines = super().scan_block_scalar_indentation()
        self._refuse_tab(max(self.indent + 1, 1, lines[1]))
        return lines

    def scan_block_scalar_breaks(self, indent: int) -> tuple[list[str], Mark]:
        """The empty lines inside the text."""
        lines = super().scan_block_scalar_breaks(indent)
        self._refuse_tab(indent)
        return lines

    def _refuse_tab(self, indent: int) -> None:
        if self.peek() == "\t" and self.column < indent:
            problem = "found a tab character where an indentation space is expected"
            raise ScannerError(_BLOCK, self.get_mark(), problem, self.get_mark())

    def _skip_comment(self) -> None:
        if self.peek() == "#":
            while self.peek() not in "\0" + _BREAKS:
                self.forward()
