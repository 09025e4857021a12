"""The programme: the acts in their order, on one stage, in one report."""

from __future__ import annotations

from importlib.metadata import version

from obs_sse_guard._demo.acts import ACTS
from obs_sse_guard._demo.report import Report
from obs_sse_guard._demo.stage import StageError, set_up

__all__ = ["perform"]

INTRODUCTION = """\
The real ObsClient (esdk-obs-python {sdk}) against MiniStack {server}, an S3
server, over http and https on 127.0.0.1, with a recording tap before each port."""

LEGEND = """
document  the transports that the page obs_04_0108 allows
refused   the call raised SSETransportError; no port saw a connection or a byte
sent      the request reached the server, which answered with that status
logged    the guard lets the call pass, and logs this as a warning"""


def perform() -> int:
    """Play all acts.

    Returns:
        0 if every line is as expected, else 1.
    """
    report = Report()
    report.say(INTRODUCTION.format(sdk=version("esdk-obs-python"), server=version("ministack")))
    try:
        with set_up() as stage:
            for act in ACTS:
                report.heading(act.title)
                for item in act.play(stage):
                    report.show(item)
    except StageError as error:
        report.say(f"The demo cannot go on: {error}")
        return 1
    report.say(LEGEND)
    return 0 if report.summary() else 1
