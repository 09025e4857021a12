"""The settings: environment variables, read when a call is about to be reported."""

from __future__ import annotations

import functools
import ipaddress
import logging
import os
import re
import warnings
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, TypeVar, Union

from obs_sse_guard._errors import SSEGuardWarning
from obs_sse_guard._util.once import Once

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "AUDIT",
    "MODE",
    "POLICY",
    "TRUSTED_HOSTS",
    "Complaint",
    "Mode",
    "Policy",
    "Settings",
    "read",
    "understand",
    "warn",
]

MODE = "OBS_SSE_GUARD"
POLICY = "OBS_SSE_GUARD_POLICY"
TRUSTED_HOSTS = "OBS_SSE_GUARD_TRUSTED_HOSTS"
AUDIT = "OBS_SSE_GUARD_AUDIT"


class Mode(Enum):
    """What happens to a request that must be refused."""

    ENFORCE = "enforce"
    WARN = "warn"
    OFF = "off"


class Policy(Enum):
    """Which findings are refused."""

    DOCUMENTED = "documented"
    STRICT = "strict"


_MODE_WORDS: Mapping[str, Mode] = {
    **{mode.value: mode for mode in Mode},
    **dict.fromkeys(("1", "true", "yes", "on"), Mode.ENFORCE),
    **dict.fromkeys(("0", "false", "no"), Mode.OFF),
}
_POLICY_WORDS: Mapping[str, Policy] = {policy.value: policy for policy in Policy}

_Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
_T = TypeVar("_T")


class TrustedHosts(NamedTuple):
    """Hosts to which plaintext counts as a trusted hop."""

    names: frozenset[str] = frozenset()
    suffixes: tuple[str, ...] = ()
    networks: tuple[_Network, ...] = ()

    def trusts(self, host: str) -> bool:
        """Whether plaintext to this host counts as a trusted hop."""
        host = _normal(host)
        address = _address(host)
        if address is not None:
            return any(address in network for network in self.networks)
        if not _HOST_NAME.fullmatch(host):  # clients part such a thing in places of their own
            return False
        # The leading dot stays in a suffix, so that "*.example.com" is not "evilexample.com".
        return host in self.names or host.endswith(self.suffixes or ("\0",))


class Settings(NamedTuple):
    """The settings at one moment."""

    mode: Mode = Mode.ENFORCE
    policy: Policy = Policy.DOCUMENTED
    trusted: TrustedHosts = TrustedHosts()
    audit: str = ""


class Complaint(NamedTuple):
    """A variable whose value is not understood, and what is said of it."""

    variable: str
    message: str


def read() -> Settings:
    """Read the settings from the environment as it is now.

    A value that is not understood warns once and leaves the default: a typo never disarms.
    """
    settings, complaints = understand()
    for complaint in complaints:
        warn(complaint.message)
    return settings


def understand() -> tuple[Settings, tuple[Complaint, ...]]:
    """The settings in the environment as it is now, and what is not understood there."""
    return _understood(*(os.environ.get(variable, "") for variable in (MODE, POLICY, TRUSTED_HOSTS, AUDIT)))


def _understand(mode: str, policy: str, trusted: str, audit: str) -> tuple[Settings, tuple[Complaint, ...]]:
    chosen_mode, of_mode = _choose(MODE, mode, _MODE_WORDS, Mode.ENFORCE)
    chosen_policy, of_policy = _choose(POLICY, policy, _POLICY_WORDS, Policy.DOCUMENTED)
    hosts, of_hosts = _trusted_hosts(trusted)
    return Settings(chosen_mode, chosen_policy, hosts, audit), (*of_mode, *of_policy, *of_hosts)


# They hardly ever change, and are asked for at every refusal.
_understood = functools.lru_cache(maxsize=8)(_understand)


def _choose(variable: str, value: str, words: Mapping[str, _T], default: _T) -> tuple[_T, tuple[Complaint, ...]]:
    word = value.strip().lower()
    if not word or word in words:
        return words.get(word, default), ()
    valid = ", ".join(words)
    message = f"{variable}={word!r} is not understood and counts as unset: the guard stays armed. Valid are: {valid}."
    return default, (Complaint(variable, message),)


def _trusted_hosts(value: str) -> tuple[TrustedHosts, tuple[Complaint, ...]]:
    names, suffixes, networks, complaints = set(), [], [], []
    for entry in filter(None, (_normal(part) for part in value.split(","))):
        network = _network(entry)
        if network is not None:
            networks.append(network)
        elif entry.startswith("*.") and _is_name(entry[2:]):
            suffixes.append(entry[1:])
        elif _is_name(entry):
            names.add(entry)
        else:
            message = (
                f"{TRUSTED_HOSTS}: {entry!r} is not understood and trusts nothing. Valid are "
                "host names, *.suffix, IP addresses and networks, without scheme, port or path."
            )
            complaints.append(Complaint(TRUSTED_HOSTS, message))
    return TrustedHosts(frozenset(names), tuple(suffixes), tuple(networks)), tuple(complaints)


def _normal(host: str) -> str:
    return host.strip().lower().rstrip(".").strip("[]")


_HOST_NAME = re.compile(r"[\w.-]+")


def _is_name(entry: str) -> bool:
    return _HOST_NAME.fullmatch(entry) is not None and not entry.replace(".", "").isdigit()


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _network(entry: str) -> _Network | None:
    try:
        return ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return None


first_warning = Once()


def warn(message: str) -> None:
    """Warn with `SSEGuardWarning`, once per message and process.

    Under ``-W error`` a warning raises, in the middle of somebody's call; there it is
    logged instead, for a complaint about the guard must not break a legal call.
    """
    if not first_warning(message):
        return
    try:
        warnings.warn(message, SSEGuardWarning, stacklevel=2)
    except SSEGuardWarning:
        logging.getLogger("obs_sse_guard").warning("%s", message)
