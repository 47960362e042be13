"""Who becomes root because root reads or runs what they can write or have a say in: one rule over everything
that is declared.

It judges one host, as it is or as a plan leaves it, and only the paths that the plan touches or the spec
declares: what root does with each (`places`), whom its text makes root (`texts`), and who can write or
replace it (`policy.access.writers`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from itertools import islice

from reconciler.core.basics.globs import is_pattern
from reconciler.core.basics.lazy_regex import Late
from reconciler.core.host import Entry, FileType, HostError
from reconciler.formats.named_paths import braced, is_shorthand
from reconciler.policy.access.login_accounts import People
from reconciler.policy.access.persons import OwnFile, own_file
from reconciler.policy.access.ways import EVERYBODY, Hand, Rank, Way
from reconciler.policy.access.ways import named as named_path
from reconciler.policy.access.writers import Writers
from reconciler.policy.root_reach.host_units import HostUnits
from reconciler.policy.root_reach.places import Place, place_of, places_below
from reconciler.policy.root_reach.readers import is_own_field, is_place, prepended, reader_of
from reconciler.policy.root_reach.relevance import Look
from reconciler.policy.root_reach.texts.commands import SPECIFICATIONS, of_words
from reconciler.policy.root_reach.texts.values import Grant, Mention, Reading, Use, as_account
from reconciler.policy.symlinks import Followed

_SETUID, _OTHERS_RUN, _GROUP_RUNS = 0o4000, 0o001, 0o010
_PROGRAMS = ("/usr/bin/", "/usr/sbin/", "/usr/local/bin/", "/usr/local/sbin/")
_LARGEST = 1 << 22
"""Bytes of a text that is read: what root runs and is larger is a program."""
_PACKAGED = Late(r"/(?:usr/)?(?:bin|sbin|lib\w*)/")
_WORD = Late(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_MOST_NESTED = 4
"""Scripts that run one another."""
_MOST_MATCHES = 1000
_SCRATCH = ("/tmp", "/var/tmp", "/dev/shm", "/run/lock")  # noqa: S108 - nothing is written there
_PERSON = 1000
"""The first number of a person's account."""


class RootReach:
    """The texts that root reads and runs on one host, and who has a hand in them.

    `becomes_root` says whether an account becomes root by other means: whoever can be that account is then
    root too.
    """

    def __init__(self, files: Followed, people: People, becomes_root: Callable[[str], bool]) -> None:
        self._files = files
        self._people = people
        self._writers = Writers(files, people)
        self._becomes_root = becomes_root
        self._units = HostUnits(files)
        self._scripts: dict[str, tuple[Reading, ...]] = {}
        self.hands: dict[str, Hand] = {}
        """Who has a hand in what another account than root runs or reads, by the words for it; `ways` fills
        it.
        """

    def ways(self, looks: Iterable[Look]) -> list[Way]:
        """All ways to root that hang on these paths, each once, in the order of the paths.

        A path that cannot be read is left out.
        """
        ways_by_words: dict[tuple[str, str], Way] = {}
        for look in looks:
            try:
                for way in self._ways(look):
                    ways_by_words.setdefault((way.account, way.by), way)
            except HostError:
                continue  # the kind reads the same path, and reports it
        return list(ways_by_words.values())

    def of_uses(self, look: Look, uses: Iterable[Use]) -> Iterator[Way]:
        """The ways that hang on these uses of paths, as a text at the path of the look would have them."""
        return (way for use in uses for way in self._by_reading(look, use, ()))

    def _ways(self, look: Look) -> Iterator[Way]:
        if look.argv:
            for reading in as_account(of_words(look.argv), look.user):
                yield from self._by_reading(look, reading, ())
            return
        entry = self._files.noted_entry(look.path)
        place, own = place_of(look.path), own_file(look.path)
        if place is not None:
            yield from self._by_place(look, place, entry)
        if own is not None and (place is None or not place.reader):
            yield from self._by_own(look, own, entry)
        for account in self._homes.get(look.path, ()):
            use = Use(look.path, "reads what is in the home", account=account, at_login=True)
            yield from self._by_reading(look, use, ())
        for below in (
            places_below(look.path) if entry is not None and entry.type is FileType.DIRECTORY else ()
        ):
            ways = self._written(look, below.path, f"root {below.use} {below.path}", only_above=True)
            yield from (way for way in ways if way.account not in below.trusted)
        if entry is not None and entry.type is FileType.FILE:
            if look.address is not None and look.address.kind == "files":
                yield from self._by_name(look, place.reader if place is not None else None, entry)
            yield from self._setuid(look, entry)

    # ------------------------------------------------------------------------------------------------ places

    def _by_place(self, look: Look, place: Place, entry: Entry | None) -> Iterator[Way]:
        if place.reader == "profile":
            yield from self._profile(look)
            return
        is_file = entry is not None and entry.type is FileType.FILE
        ways = self._written(
            look, look.path, f"root {place.use} {named_path(look.path)}", only_above=place.strict and is_file
        )
        yield from (way for way in ways if way.account not in place.trusted)
        if is_file and place.reader and entry is not None and entry.size <= _LARGEST:
            packaged = look.address is None and look.path.startswith("/usr/")
            for reading in self._readings(look.path, place.reader):
                # a package's accounts, and its units that nobody has enabled, make nobody root
                if isinstance(reading, Use) or not packaged:
                    yield from self._by_reading(look, reading, ())

    def _by_name(self, look: Look, reader: str | None, entry: Entry) -> Iterator[Way]:
        """Yield the ways by paths that a declared text names which no reader here knows to its end."""
        from reconciler.policy.root_reach.texts.named import is_read_loosely, named

        if entry.size > _LARGEST or not is_read_loosely(look.path, reader, entry):
            return
        text = self._files.text(look.path)
        if text is not None and "\0" not in text:
            for use in named(look.path, text, is_script=reader == "shell"):
                yield from self._by_reading(look, use, ())

    def _readings(self, path: str, reader: str) -> Iterator[Reading]:
        if reader == "unit":
            return self._units.readings(path)
        if reader in ("passwd", "applied"):  # a snapshot has the lines of the one, and no memory of ours
            text = self._files.known_text(path)
        else:
            self._files.look_for_text(path)
            text = self._files.noted_text(path) or ""
        return iter(()) if not text or "\0" in text else reader_of(reader)(text)

    def _by_own(self, look: Look, own: OwnFile, entry: Entry | None) -> Iterator[Way]:
        """A file of one account's: who can write it is that account, and so is who has a hand in what its
        text runs.
        """
        accounts = [own.account] if own.account else self._homes.get(own.home, ())
        is_read = accounts and own.reader and entry is not None and entry.type is FileType.FILE
        text = self._files.known_text(look.path) if is_read else None
        for account in accounts:
            if account != "root":
                use = Use(look.path, "goes by", account=account, at_login=bool(own.home))
                yield from self._by_reading(look, use, ())
            for reading in as_account(reader_of(own.reader)(text), account) if text else ():
                yield from self._by_reading(look, reading, ())

    def _by_reading(self, look: Look, reading: Reading, scripts: tuple[str, ...]) -> Iterator[Way]:
        """Yield the ways by one reading; `scripts` are those that run it, the last one first."""
        where = scripts[0] if scripts else "" if is_own_field(look) else look.path
        match reading:
            case Use() if is_shorthand(reading.path):
                for path in self._resolved(reading.path):
                    yield from self._by_reading(look, replace(reading, path=path), scripts)
            case Use() if is_place(reading.path):
                return  # whoever can write there is told of the place itself
            case Use():
                yield from self._by_use(
                    look, reading, "" if look.path in (reading.path, reading.by.partition(",")[0]) else where
                )
                yield from self._inside(look, reading, scripts)
            case Grant():
                suffix = f": {where}" if where and where not in reading.by else ""
                for account in self._accounts(reading.who):
                    yield Way(
                        account,
                        f"{reading.by}{suffix}",
                        look.path,
                        reading.rank,
                        look.address,
                        likely=reading.likely,
                    )
            case Mention():
                path = where or look.path
                for account in self._named(reading.text):
                    yield Way(
                        account,
                        f"root runs {path}, which names {account}",
                        path,
                        Rank.LIKELY,
                        look.address,
                        likely=True,
                    )

    def _by_use(self, look: Look, use: Use, where: str) -> Iterator[Way]:
        because = f" because of {named_path(where)}" if where else ""
        if (
            use.named
            and not use.runs
            and (entry := self._files.entry(use.path)) is not None
            and entry.type is FileType.DIRECTORY
        ):
            return  # a program that is told of a directory keeps its data there
        for runner in self._runners(use):
            if runner and self._is_alone(runner, use.path):
                continue
            if runner and not self._becomes_root(runner):
                self._note_hand(look, use, runner, because)
                continue
            by = f"{runner}, who becomes root," if runner else use.by
            ways = self._written(
                look, use.path, f"{by} {use.verb} {named_path(use.path)}{because}", likely=use.likely
            )
            yield from (way for way in ways if self._gains(way, use, runner))

    def _gains(self, way: Way, use: Use, runner: str) -> bool:
        """Whether a way leads somebody to root by this use who is neither its runner nor left out by it."""
        is_runner = bool(runner) and way.account == runner
        is_for_them = way.account in (EVERYBODY, use.only) or not use.only
        return is_for_them and not is_runner and (not use.named or self._is_persons(way.account, way.path))

    def _is_alone(self, account: str, path: str) -> bool:
        """Whether nobody but root and this account can write what is at a path."""
        writers = self._writers.of(path)
        return len(writers) <= (account in writers)

    def _note_hand(self, look: Look, use: Use, runner: str, because: str) -> None:
        user = self._people.users.get(runner)
        if user is None or (use.at_login and not self._people.has_shell(user)):
            return
        writers = self._writers.of(use.path)
        if use.named:
            writers = {
                name: writer for name, writer in writers.items() if self._is_persons(name, writer.path)
            }
        where = f" in {look.address}" if look.address is not None and is_own_field(look) else ""
        by = f"{runner} {use.verb} {named_path(use.path)}{because or where}"
        if writers:
            self.hands.setdefault(by, Hand(runner, by, writers, look.address, use.likely))

    def _is_persons(self, account: str, path: str) -> bool:
        """Whether a person writes there: an account of a service writes what its own programs read, and
        everybody writes in /tmp.
        """
        user = self._people.users.get(account)
        return not path.startswith(_SCRATCH) if user is None else user.uid >= _PERSON

    def _resolved(self, path: str) -> Iterator[str]:
        """Yield the paths that a path with `~alice`, `{a,b}` or `*` stands for; the directory, where the last
        step is a pattern.
        """
        for plain in braced(path):
            name, _, below = plain[1:].partition("/") if plain.startswith("~") else ("", "", "")
            user = self._people.users.get(name)
            full = plain if not plain.startswith("~") else f"{user.home}/{below}" if user is not None else ""
            above, _, last = full.rpartition("/")
            directories = (
                list(islice(self._files.matching(above), _MOST_MATCHES)) if is_pattern(above) else [above]
            )
            for directory in directories if full else ():
                yield directory if is_pattern(last) else f"{directory}/{last}"

    def _runners(self, use: Use) -> Iterable[str]:
        """The accounts whose processes do it: one, or each member of a group; empty for root."""
        return self._people.members_of(use.account[1:]) if use.account.startswith("%") else (use.account,)

    def _inside(self, look: Look, use: Use, scripts: tuple[str, ...]) -> Iterator[Way]:
        """Yield the ways by what a script runs in turn, where it is not a package's."""
        if use.verb not in ("runs", "applies") or use.path in scripts or len(scripts) >= _MOST_NESTED:
            return
        for reading in self._script(use.path):
            yield from (
                way
                for inner in as_account((reading,), use.account)
                for way in self._by_reading(look, inner, (use.path, *scripts))
            )

    def _script(self, path: str) -> Collection[Reading]:
        if path not in self._scripts:
            self._scripts[path] = tuple(self._read_script(path))
        return self._scripts[path]

    def _read_script(self, path: str) -> Iterator[Reading]:
        if _PACKAGED.match(path):
            return
        from reconciler.policy.root_reach.texts.scripts import specification

        try:
            entry = self._files.entry(path)
            is_read = entry is not None and entry.type is FileType.FILE and entry.size <= _LARGEST
            text = self._files.text(path) if is_read else None
        except HostError:
            return  # who can write it is known all the same
        if text and path.endswith(SPECIFICATIONS):
            yield from specification(text, path)
        elif text and "\0" not in text and (text.startswith("#!") or path.endswith((".sh", ".bash"))):
            yield from reader_of("shell")(text)

    def _written(
        self, look: Look, path: str, words: str, *, only_above: bool = False, likely: bool = False
    ) -> Iterator[Way]:
        for writer in self._writers.of(path, only_above=only_above).values():
            perhaps = likely or writer.likely
            rank = Rank.LIKELY if perhaps else Rank.WRITES
            yield Way(
                writer.account, f"{words}; {writer.how}", writer.path, rank, look.address, likely=perhaps
            )

    def _setuid(self, look: Look, entry: Entry) -> Iterator[Way]:
        if look.address is None:
            if look.path.startswith(_PROGRAMS):
                from reconciler.policy.access.file_powers import powers  # a plan does not ask

                for words, likely in powers(look.path, entry, self._files.attributes(look.path, note=False)):
                    yield from self._started(look, entry, words, likely=likely)
        elif int(entry.mode, 8) & _SETUID and self._people.uid(entry.owner) == 0:
            yield from self._started(look, entry, f"{look.path} runs as root for whoever starts it")

    def _started(self, look: Look, entry: Entry, words: str, *, likely: bool = False) -> Iterator[Way]:
        """Yield the ways of those who may start a program."""
        mode, rank = int(entry.mode, 8), Rank.LIKELY if likely else Rank.SETUID
        if mode & _OTHERS_RUN:
            yield Way(EVERYBODY, words, look.path, rank, look.address, likely=likely)
        elif mode & _GROUP_RUNS:
            for name in self._people.members_of(entry.group):
                yield Way(
                    name,
                    f"{words}, and the group {entry.group} may",
                    look.path,
                    rank,
                    look.address,
                    likely=likely,
                )

    # ----------------------------------------------------------------------------------------------- accounts

    def _accounts(self, who: str) -> Iterable[str]:
        """The accounts of a grant; a group without members is named as the group."""
        if who.startswith("%"):
            return self._people.members_of(who[1:]) or (f"members of {who[1:]}",)
        who = self._people.name(int(who)) if who.isascii() and who.isdigit() else who
        user = self._people.users.get(who)
        return () if user is not None and user.uid == 0 else (who,)

    def _named(self, text: str) -> Iterator[str]:
        """The people that a text names by their accounts."""
        words = frozenset(_WORD.findall(text))
        for name, user in self._people.users.items():
            if user.uid >= _PERSON and name in words and name != "nobody":
                yield name

    def _profile(self, look: Look) -> Iterator[Way]:
        """A file that one account's shells read: whoever has a hand in what it runs is that account, and root
        if that account is.
        """
        from reconciler.formats.shell_commands import text_files

        text, account = self._files.noted_text(look.path), look.path.rpartition("/")[2].removesuffix(".sh")
        if text is None:
            return
        for path in dict.fromkeys(text_files(prepended(text))):
            yield from self._by_use(look, Use(path, "runs what is in", account=account), "")

    @cached_property
    def _homes(self) -> Mapping[str, list[str]]:
        """The accounts by their homes."""
        names_by_home: dict[str, list[str]] = {}
        for user in self._people.users.values():
            names_by_home.setdefault(user.home.rstrip("/"), []).append(user.name)
        return names_by_home
