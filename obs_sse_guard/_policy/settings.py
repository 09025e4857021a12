"""The settings: environment variables, or what overrides them.

They are read when something is about to be reported.
"""

from __future__ import annotations

import functools
import os
import re
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from obs_sse_guard._policy.overrides import read_texts
from obs_sse_guard._policy.public_hosts import public_name, public_network, public_suffix
from obs_sse_guard._policy.request import normalize_host
from obs_sse_guard._util.warn import warn_once

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

__all__ = [
    "AUDIT",
    "MODE",
    "POLICY",
    "TRUSTED_HOSTS",
    "Mode",
    "Policy",
    "Problem",
    "Settings",
    "TrustedHosts",
    "ip_address",
    "override_texts",
    "parse_settings",
    "read_settings",
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

_HOST_NAME = re.compile(r"[\w.-]+")
_T = TypeVar("_T")


class TrustedHosts(NamedTuple):
    """Hosts to which plaintext counts as a trusted hop.

    Attributes:
        names: host names.
        suffixes: ends of host names, each with its leading dot.
        networks: networks of IP addresses.
    """

    names: frozenset[str] = frozenset()
    suffixes: tuple[str, ...] = ()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    def trusts(self, host: str) -> bool:
        """Return whether plaintext to this host counts as a trusted hop."""
        host = normalize_host(host)
        address = ip_address(host)
        if address is not None:
            return any(address in network for network in self.networks)
        if not _HOST_NAME.fullmatch(host):  # HTTP clients disagree about where such a name ends
            return False
        # A suffix keeps its leading dot, so that "*.example.com" does not match "evilexample.com".
        return host in self.names or host.endswith(self.suffixes)


class Settings(NamedTuple):
    """The settings at one moment."""

    mode: Mode = Mode.ENFORCE
    policy: Policy = Policy.DOCUMENTED
    trusted: TrustedHosts = TrustedHosts()
    audit: str = ""


class Problem(NamedTuple):
    """A questionable value of an environment variable.

    Attributes:
        variable: its name.
        message: what is wrong with it, and what to do.
        exposes: whether requests are unprotected as a result.
    """

    variable: str
    message: str
    exposes: bool = False


def read_settings() -> Settings:
    """Read the settings as they are now.

    An unknown value warns once and leaves the default: a typo never disables the guard. A trusted host that is not the
    user's own warns once as well, but works.
    """
    settings, problems = parse_settings()
    for problem in problems:
        warn_once(problem.message)
    return settings


def parse_settings() -> tuple[Settings, tuple[Problem, ...]]:
    """Return the settings as they are now, and the problems with them."""
    return _cached(*read_texts(MODE, POLICY, TRUSTED_HOSTS, AUDIT))


def override_texts(
    *,
    mode: str | None = None,
    policy: str | None = None,
    trusted_hosts: str | Iterable[str] | None = None,
    audit: str | os.PathLike[str] | None = None,
) -> dict[str, str]:
    """Return what overrides the environment, by variable.

    Raises:
        ValueError: a value is not valid. The message lists the valid ones.
    """
    texts = {}
    if mode is not None:
        texts[MODE] = _checked("mode", mode, _MODE_WORDS)
    if policy is not None:
        texts[POLICY] = _checked("policy", policy, _POLICY_WORDS)
    if trusted_hosts is not None:
        texts[TRUSTED_HOSTS] = _checked_hosts(trusted_hosts)
    if audit is not None:
        texts[AUDIT] = _checked_path(os.fspath(audit))
    return texts


def _checked(argument: str, value: str, words: Iterable[str]) -> str:
    word = str(value).strip().lower()
    if word not in words:
        message = f"{argument}: unknown value {value!a}. Valid values: {', '.join(words)}."
        raise ValueError(message)
    return word


def _checked_path(path: str) -> str:
    if "\0" in path:
        message = f"audit: not a path: {path!a}. Valid values: the path of a file, or an empty text for none."
        raise ValueError(message)
    return path


def _checked_hosts(hosts: str | Iterable[str]) -> str:
    text = hosts if isinstance(hosts, str) else ",".join(map(str, hosts))
    # An entry that is not the user's own works, and warns when the settings are read.
    wrong = [problem for problem in _parse_trusted_hosts(text)[1] if not problem.exposes]
    if wrong:
        raise ValueError(wrong[0].message.replace(TRUSTED_HOSTS, "trusted_hosts"))
    return text


def _parse(mode: str, policy: str, trusted: str, audit: str) -> tuple[Settings, tuple[Problem, ...]]:
    chosen_mode, mode_problems = _choose(MODE, mode, _MODE_WORDS, Mode.ENFORCE)
    chosen_policy, policy_problems = _choose(POLICY, policy, _POLICY_WORDS, Policy.DOCUMENTED)
    hosts, host_problems = _parse_trusted_hosts(trusted)
    return Settings(chosen_mode, chosen_policy, hosts, audit), (*mode_problems, *policy_problems, *host_problems)


# Read at every refusal, and hardly ever different.
_cached = functools.lru_cache(maxsize=8)(_parse)


def _choose(variable: str, value: str, words: Mapping[str, _T], default: _T) -> tuple[_T, tuple[Problem, ...]]:
    word = value.strip().lower()
    if not word or word in words:
        return words.get(word, default), ()
    used = next(name for name, meaning in words.items() if meaning is default)
    message = f'{variable}: unknown value {word!a}; using "{used}". Valid values: {", ".join(words)}.'
    return default, (Problem(variable, message),)


def _parse_trusted_hosts(value: str) -> tuple[TrustedHosts, tuple[Problem, ...]]:
    names, suffixes, networks, problems = set(), [], [], []
    for part in filter(str.strip, value.split(",")):
        entry = normalize_host(part)
        network = _ip_network(entry)
        if network is not None:
            networks.append(network)
            public = public_network(network)
        elif entry.startswith("*.") and _is_name(entry[2:]):
            suffixes.append(entry[1:])
            public = public_suffix(entry[1:])
        elif _is_name(entry):
            names.add(entry)
            public = public_name(entry)
        else:
            problems.append(_problem(_UNKNOWN_ENTRY.format(part.strip()), exposes=False))
            continue
        if public:
            problems.append(_problem(_PUBLIC_ENTRY.format(part.strip(), public), exposes=True))
    return TrustedHosts(frozenset(names), tuple(suffixes), tuple(networks)), tuple(problems)


_UNKNOWN_ENTRY = (
    "unknown entry {!a}; it trusts nothing. Valid entries: host names, *.suffix, IP addresses and networks, without "
    "scheme, port or path."
)
_PUBLIC_ENTRY = (
    "{!a} covers {}, so requests may cross the Internet in plaintext. List only the hosts of your own sidecars and "
    "test servers."
)


def _problem(message: str, *, exposes: bool) -> Problem:
    return Problem(TRUSTED_HOSTS, f"{TRUSTED_HOSTS}: {message}", exposes)


def _is_name(entry: str) -> bool:
    return _HOST_NAME.fullmatch(entry) is not None and not entry.replace(".", "").isdigit()


def ip_address(host: str) -> IPv4Address | IPv6Address | None:
    """Return a host as an IP address, or ``None`` if it is a name."""
    import ipaddress  # noqa: PLC0415  # only where something is reported

    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _ip_network(entry: str) -> IPv4Network | IPv6Network | None:
    import ipaddress  # noqa: PLC0415  # only where hosts are trusted

    try:
        return ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return None
