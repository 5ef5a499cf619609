"""Wrapping keys in a PKCS #11 token: made there, used there, destroyed there.

A slot file in place of a token bounds how long an older copy of it opens anything only as far as the disk forgets: worn flash
cells, snapshots and copy-on-write file systems keep the ``.kek`` sector with the key in it. With :class:`TokenWrapping` that
sector holds a name, and what it names never was outside of the token. What the token has to promise, then, is this:

- the key is generated in it, sensitive and not extractable (asked of each key before its first use in a process);
- a key is durable when C_GenerateKey returns, and gone for good when C_DestroyObject does (searched for afterwards);
- the token has no backup or clone that the destruction does not reach. This cannot be asked of it: it is the operator's to
  see to, and :meth:`TokenWrapping.check` warns where the token is software and keeps its keys in files.

Data keys are wrapped inside the token by AES-256-GCM (SP 800-38D; SP 800-38F, 3.1 allows it for keys) with a random nonce of 96
bits, a tag of 96 bits and the slot's own tag as associated data: 56 bytes, so that a slot still fits in 64.

One process holds one session for each token, and one call at a time uses it: logging out of one session would log out all, and
modules are not asked to lock by themselves. A forked child opens its own. When the token was away (a restart, a network) the
next call connects again; a PIN that was refused is not tried twice, for a token locks itself after a few. A call that does not
return is given up after :data:`PATIENCE` seconds, and while it has not returned every other one is refused at once: whoever
waits for a token holds up a transaction.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, TypeVar

from contact_point.keys.errors import DestructionError, TokenError
from contact_point.keys.sealing import KEY_BYTES, NONCE_BYTES, new_key
from contact_point.keys.wrapping import WRAPPED_BYTES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from contact_point.keys.wrapping import Wrapper

T = TypeVar("T")

PATIENCE: Final = 4.0
"""Seconds that a token has for one call: less than the store lets one wait for the turn of another."""

_TAG_BITS: Final = 96  # SP 800-38D, 5.2.1.2 allows 96 to 128
_FAMILY: Final = slice(0, 16)  # of a key's name: which slot file it is of; the rest says which of its keys
_MAX_PIN_BYTES: Final = 255
_PAUSES: Final = (0.02, 0.1, 0.3, 0.0)
"""Seconds after each attempt. A process that logs in to SoftHSM rewrites the token's file, and another then finds no token."""

_LABEL: Final = "pcsc key slots "


@dataclass(frozen=True, slots=True)
class Token:
    """Which token, and where its PIN is: in a file of mode 0600 or in an environment variable, never on a command line."""

    module: Path
    """The PKCS #11 library of its maker."""
    label: str
    pin_file: Path | None = None
    pin_variable: str | None = None

    def __post_init__(self) -> None:
        if (self.pin_file is None) == (self.pin_variable is None):
            raise TokenError(
                f"the PIN of the token {self.label} is in a file or in an environment variable: the settings name one of them"
            )

    def pin(self) -> str:
        """Read the PIN, anew each time.

        Raises:
            TokenError: the file or variable is not there or holds no PIN, or others than its owner may read the file.

        """
        place, pin = (
            (f"the environment variable {self.pin_variable}", os.environ.get(self.pin_variable, ""))
            if self.pin_variable is not None
            else (f"the file {self.pin_file}", self._from_file())
        )
        if not 0 < len(pin.encode()) <= _MAX_PIN_BYTES:
            raise TokenError(
                f"the PIN of the token {self.label} is expected in {place}, one line of 1 to {_MAX_PIN_BYTES} bytes; "
                f"it holds {len(pin.encode())}"
            )
        return pin

    def _from_file(self) -> str:
        path = self.pin_file
        if path is None:
            return ""
        try:
            with path.open("rb") as file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                text = file.read(_MAX_PIN_BYTES + 3).decode()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise TokenError(f"cannot read the PIN of the token {self.label} from {path}: {reason}") from None
        if mode & 0o077:
            raise TokenError(
                f"Art. 9: {path.name}, which holds the PIN of the token {self.label}, has mode {mode:04o}, so others than its "
                "owner may read it; set 0600, and change the PIN if anyone may have"
            )
        return text.rstrip("\r\n")


@dataclass(slots=True)
class _Connection:
    """One session, logged in, and the keys found in it so far."""

    session: Any
    token: Any
    library: Any
    keys: dict[bytes, Any] = field(default_factory=dict)


_LOCK = threading.Lock()
"""Held during every call into a module, until it returns, and while the process forks, so that no child begins in the middle of
one, unless that one hangs."""
_HANGING = threading.Event()  # a call was given up and has not returned
_CONNECTIONS: Final[dict[Token, _Connection]] = {}
_STALE: Final[set[str]] = set()  # modules to initialize anew: after a failure, and in a forked child
_REFUSED: Final[set[Token]] = set()  # tokens that refused the PIN


def _before_fork() -> None:
    """Wait for the call that is under way."""
    global _FORKING  # noqa: PLW0603 - between two halves of one fork
    _FORKING = _acquired()


def _after_fork() -> None:
    if _FORKING:
        _LOCK.release()


def _forked() -> None:
    """Begin a child without its parent's sessions: PKCS #11 has each process initialize the module for itself."""
    global _CALLS, _LOCK  # of a thread that the child does not have
    _CALLS, _LOCK = None, threading.Lock()
    _HANGING.clear()
    _STALE.update(str(token.module) for token in _CONNECTIONS)
    _CONNECTIONS.clear()


_CALLS: SimpleQueue[Callable[[], None]] | None = None
_FORKING = False
os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_forked)


def _acquired() -> bool:
    """Wait for the call that is under way, unless it hangs; whether it returned."""
    return _LOCK.acquire(timeout=0 if _HANGING.is_set() else PATIENCE)


def _in_time(token: Token, call: Callable[[], T]) -> T:
    """Return what a call into the token's module returns, made in a thread that may be left hanging.

    Raises:
        TokenError: it did not return within :data:`PATIENCE` seconds, or an earlier one has not.

    """
    calls = _calls()
    if not _acquired():
        raise _hanging(token)
    lock, done = _LOCK, Future[T]()

    def made() -> None:
        try:
            done.set_result(call())
        except BaseException as error:  # noqa: BLE001 - whoever waits for it raises it
            done.set_exception(error)
        finally:
            _HANGING.clear()
            lock.release()

    calls.put(made)
    try:
        return done.result(PATIENCE)
    except TimeoutError:
        _HANGING.set()
        if done.done():  # just now
            _HANGING.clear()
        raise _hanging(token) from None


def _calls() -> SimpleQueue[Callable[[], None]]:
    """Return where the one thread of this process that calls into modules takes its calls from."""
    global _CALLS  # noqa: PLW0603 - one for each process
    if _CALLS is None:
        calls = SimpleQueue[Callable[[], None]]()

        def forever() -> None:
            while True:
                calls.get()()

        threading.Thread(target=forever, name="token", daemon=True).start()
        _CALLS = calls
    return _CALLS


def _hanging(token: Token) -> TokenError:
    return TokenError(
        f"the token {token.label} ({token.module.name}) did not answer within {PATIENCE:g} seconds: what needs a key waits, "
        "and what is to be destroyed is destroyed without it; see to the token or to the way there"
    )


@dataclass(frozen=True, slots=True)
class TokenWrapping:
    """Wrapping keys in a token. Thread-safe; several processes may use one token, and it may serve several slot files."""

    token: Token

    @property
    def kind(self) -> str:
        """``"token"``."""
        return "token"

    def check(self) -> list[str]:
        """Log in and return a sentence for each thing about the token that its operator should know.

        Raises:
            TokenError: the token cannot be used, or does not offer what is needed.

        """
        return self._do(_remarks)

    def make(self, before: bytes | None) -> bytes:
        """Generate a key in the token, wrap and unwrap something with it, and return its name.

        Raises:
            TokenError: the token cannot be used, or did not make a key that it keeps to itself.

        """
        family = (before or secrets.token_bytes(16))[_FAMILY]
        name = self._do(lambda connection: _generate(connection, family))
        wrapper = self.opened(name)
        probe = new_key()
        if wrapper is None or wrapper.unwrap(wrapper.wrap(probe, 1), 1) != probe:
            raise TokenError(
                f"the token {self.token.label} made an AES-256 key that does not open what it wrapped (CKM_AES_GCM, nonce "
                "and tag of 96 bits): another token is needed"
            )
        return name

    def opened(self, name: bytes) -> Wrapper | None:
        """Return the key of that name, or None when it exists no more.

        Raises:
            TokenError: the token cannot be used, or the key could be taken out of it.

        """
        if self._do(lambda connection: _key(connection, name) is not None):
            return _TokenKey(self, name)
        # What one search does not find may still be there (SoftHSM reads files that another process writes), and whoever is
        # told that a key is gone gives up what it wrapped. So it is looked for again, after everything was read anew.
        _in_time(self.token, lambda: _disconnect(self.token))
        time.sleep(_PAUSES[1])
        there = self._do(lambda connection: _key(connection, name) is not None)
        return _TokenKey(self, name) if there else None

    def destroy_all_but(self, names: Collection[bytes]) -> None:
        """Destroy every other key of the slot file that these are of, and search for them again.

        Raises:
            TokenError: the token cannot be used.
            DestructionError: the search found one of them.

        """
        left = self._do(lambda connection: _destroy(connection, names))
        if left:
            raise DestructionError(
                f"Art. 8: the token {self.token.label} still holds {left} older wrapping keys after their destruction, so "
                "copies of destroyed keys may open; the deletion is not done: repeat it, then replace the token"
            )

    def _do(self, act: Callable[[_Connection], T]) -> T:
        """Return what ``act`` does with a session; when that fails, connect anew and do it again, which must be harmless."""
        from pkcs11 import PKCS11Error  # noqa: PLC0415 - an installation without a token needs no such library

        def tried() -> T:
            try:
                return act(_connection(self.token))
            except PKCS11Error:
                _disconnect(self.token)
                raise

        for pause in _PAUSES:
            try:
                return _in_time(self.token, tried)
            except PKCS11Error as error:
                failure = error
            time.sleep(pause)
        raise _failed(self.token, failure) from failure


@dataclass(frozen=True, slots=True)
class _TokenKey:
    """One wrapping key of a token."""

    wrapping: TokenWrapping
    name: bytes

    def wrap(self, key: bytes, tag: int) -> bytes:
        nonce = secrets.token_bytes(NONCE_BYTES)
        wrapped: bytes = nonce + self.wrapping._do(lambda connection: _crypt(connection, self.name, key, nonce, tag))  # noqa: SLF001 - two halves of one thing
        if len(wrapped) != WRAPPED_BYTES:
            raise TokenError(
                f"the token {self.wrapping.token.label} wrapped {KEY_BYTES} bytes as {len(wrapped) - NONCE_BYTES}; expected "
                f"{WRAPPED_BYTES - NONCE_BYTES}: ciphertext, and a tag of {_TAG_BITS} bits (SP 800-38D)"
            )
        return wrapped

    def unwrap(self, wrapped: bytes, tag: int) -> bytes | None:
        nonce, sealed = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
        try:
            return self.wrapping._do(  # noqa: SLF001 - as above
                lambda connection: _crypt(connection, self.name, sealed, nonce, tag, opening=True)
            )
        except TokenError:
            # Modules answer a wrong tag with several codes, also those of a broken device (SoftHSM: CKR_GENERAL_ERROR). A
            # key that still opens what it wraps says that it is the bytes; else this raises what is wrong with the token.
            if self.wrapping.opened(self.name) is None:
                return None
            probe = new_key()
            again = self.wrap(probe, tag)
            self.wrapping._do(  # noqa: SLF001 - as above
                lambda connection: _crypt(
                    connection, self.name, again[NONCE_BYTES:], again[:NONCE_BYTES], tag, opening=True
                )
            )
            return None


def _connection(token: Token) -> _Connection:
    """Return the session of this process, opened and logged in at the first call."""
    if (known := _CONNECTIONS.get(token)) is not None:
        return known
    if token in _REFUSED:
        raise _refused(token)
    with _one_at_a_time(token):
        library = _library(str(token.module))
        found = library.get_token(token_label=token.label)
        session = _login(token, found)
    _CONNECTIONS[token] = _Connection(session, found, library)
    return _CONNECTIONS[token]


def _login(token: Token, found: Any) -> Any:
    import pkcs11  # noqa: PLC0415 - as above

    try:
        return found.open(rw=True, user_pin=token.pin())
    except pkcs11.UserAlreadyLoggedIn:  # by other slot files of this process that name the token in another way
        return found.open(rw=True)
    except (pkcs11.PinIncorrect, pkcs11.PinLocked, pkcs11.PinInvalid, pkcs11.PinLenRange) as error:
        _REFUSED.add(token)
        raise _refused(token) from error


@contextmanager
def _one_at_a_time(token: Token) -> Iterator[None]:
    """Keep other processes from connecting while the block runs, where the PIN is in a file: that file is the lock.

    Whoever logs in to SoftHSM rewrites the token's own file, and others who look at it then find no token, or a broken one.
    """
    if token.pin_file is None or not token.pin_file.is_file():
        yield
        return
    with token.pin_file.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _library(module: str) -> Any:
    import pkcs11  # noqa: PLC0415 - as above

    library = pkcs11.lib(module)
    if module in _STALE:
        try:
            library.reinitialize()
        except pkcs11.PKCS11Error:  # in a child some modules count as never initialized, and refuse to be finalized
            library.initialize()
        _STALE.discard(module)
    return library


def _disconnect(token: Token) -> None:
    """Forget every session of the token's module: the next call initializes it anew."""
    for other in [each for each in _CONNECTIONS if each.module == token.module]:
        del _CONNECTIONS[other]
        _STALE.add(str(token.module))


def _refused(token: Token) -> TokenError:
    return TokenError(
        f"the token {token.label} refused the PIN; it is not tried again, for a token locks itself after a few attempts: "
        "correct the PIN, then start anew"
    )


def _failed(token: Token, error: Exception) -> TokenError:
    # Some of these exceptions say nothing but their name; none of them says anything of a key.
    said = f"{type(error).__name__} {error}".strip()
    return TokenError(
        f"the token {token.label} ({token.module.name}) cannot be used: {said}; see that it is there, that its label and "
        "module are those of the settings, and try again"
    )


def _remarks(connection: _Connection) -> list[str]:
    from pkcs11 import Mechanism, TokenFlag  # noqa: PLC0415 - as above

    name, slot = connection.token.label, connection.token.slot
    if Mechanism.AES_GCM not in slot.get_mechanisms() or Mechanism.AES_KEY_GEN not in slot.get_mechanisms():
        raise TokenError(
            f"the token {name} does not offer CKM_AES_KEY_GEN and CKM_AES_GCM, with which keys are wrapped inside it: another "
            "token is needed"
        )
    remarks = []
    if "SoftHSM" in connection.library.manufacturer_id:
        remarks.append(
            f"The token {name} is SoftHSM, which keeps its keys in files: what it destroys may stay on the disk, so it is for "
            "trying out and protects no print (Art. 8, 9)."
        )
    if connection.token.flags & TokenFlag.USER_PIN_COUNT_LOW:
        remarks.append(f"Somebody gave the token {name} a wrong PIN since the last login: find out who.")
    return remarks


def _template(name: bytes) -> dict[Any, Any]:
    """Return by what the keys of one slot file are found."""
    from pkcs11 import Attribute, ObjectClass  # noqa: PLC0415 - as above

    return {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.LABEL: _LABEL + name[_FAMILY].hex()}


def _generate(connection: _Connection, family: bytes) -> bytes:
    """Generate a key and return its name: a new one at each attempt, for the one before may have made its key all the same."""
    from pkcs11 import Attribute, KeyType, MechanismFlag  # noqa: PLC0415 - as above

    name = family + secrets.token_bytes(16)
    connection.session.generate_key(
        KeyType.AES,
        8 * KEY_BYTES,
        id=name,
        label=_LABEL + family.hex(),
        store=True,
        capabilities=MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT,
        template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.MODIFIABLE: False},
    )
    return name


def _key(connection: _Connection, name: bytes) -> Any:
    """Return the key of that name, or None."""
    from pkcs11 import Attribute  # noqa: PLC0415 - as above

    if name not in connection.keys:
        found = list(connection.session.get_objects(_template(name) | {Attribute.ID: name}))
        if not found:
            return None
        if len(found) > 1:
            raise TokenError(
                f"the token {connection.token.label} holds {len(found)} wrapping keys of one name, so what they wrapped cannot "
                "be told apart: find out who put the others there"
            )
        kept = (Attribute.SENSITIVE, Attribute.ALWAYS_SENSITIVE, Attribute.NEVER_EXTRACTABLE, Attribute.LOCAL)
        if found[0][Attribute.EXTRACTABLE] or not all(found[0][attribute] for attribute in kept):
            raise TokenError(
                f"Art. 9: a wrapping key in the token {connection.token.label} was not generated there, or can or could be "
                "taken out of it, so destroying it proves nothing: create new slots, and find out who put it there"
            )
        connection.keys[name] = found[0]
    return connection.keys[name]


def _crypt(
    connection: _Connection, name: bytes, data: bytes, nonce: bytes, tag: int, *, opening: bool = False
) -> bytes:
    from pkcs11 import GCMParams, Mechanism, NoSuchKey  # noqa: PLC0415 - as above

    key = _key(connection, name)
    if key is None:
        raise NoSuchKey
    crypt = key.decrypt if opening else key.encrypt
    parameters = GCMParams(nonce, tag.to_bytes(8), _TAG_BITS)
    return bytes(crypt(data, mechanism=Mechanism.AES_GCM, mechanism_param=parameters))


def _destroy(connection: _Connection, kept: Collection[bytes]) -> int:
    """Destroy the other keys of the slot file, and return how many of them a search still finds."""
    from pkcs11 import Attribute  # noqa: PLC0415 - as above

    template = _template(next(iter(kept)))
    for found in list(connection.session.get_objects(template)):
        if bytes(found[Attribute.ID]) not in kept:
            connection.keys.pop(bytes(found[Attribute.ID]), None)
            found.destroy()
    return sum(bytes(found[Attribute.ID]) not in kept for found in connection.session.get_objects(template))
