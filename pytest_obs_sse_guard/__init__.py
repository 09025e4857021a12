"""A pytest plugin: with ``--obs-sse-guard=strict``, a test with a finding fails.

Not a part of the package ``obs_sse_guard``, whose import installs the hooks: pytest imports every plugin that is
installed, and without the option nothing may change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["pytest_addoption", "pytest_configure"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.getgroup("obs-sse-guard").addoption(
        "--obs-sse-guard",
        choices=("documented", "strict"),
        help="guard the tests with this policy, and fail each test in which something is refused or logged",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Guard the tests, if asked to."""
    policy = config.getoption("--obs-sse-guard")
    if policy is not None:
        config.pluginmanager.register(_Guard(policy))


class _Guard:
    def __init__(self, policy: str) -> None:
        import obs_sse_guard  # noqa: PLC0415  # only if asked to
        from obs_sse_guard.testing import findings  # noqa: PLC0415

        obs_sse_guard.configure(mode="enforce", policy=policy)
        self._unconfigure = obs_sse_guard.configure
        self._findings = findings

    def pytest_unconfigure(self) -> None:
        self._unconfigure()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_setup(self) -> Generator[None, Any, None]:
        yield from self._check()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_call(self) -> Generator[None, Any, None]:
        yield from self._check()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_teardown(self) -> Generator[None, Any, None]:
        yield from self._check()

    def _check(self) -> Generator[None, Any, None]:
        with self._findings() as found:
            outcome = yield
        if found and outcome.excinfo is None:  # an application may have caught the refusal
            outcome.force_exception(pytest.fail.Exception("\n".join(map(str, found)), pytrace=False))
