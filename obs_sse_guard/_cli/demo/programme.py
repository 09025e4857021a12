"""The programme: the acts in their order, on one stage, in one report."""

from __future__ import annotations

from importlib.metadata import version

from obs_sse_guard._cli.demo.acts import ACTS
from obs_sse_guard._cli.demo.driver import StageError
from obs_sse_guard._cli.demo.report import Report
from obs_sse_guard._cli.demo.stage import set_up

__all__ = ["perform"]

SHOWN = ("esdk-obs-python", "boto3", "s3fs", "ministack")
INTRODUCTION = """\
The real ObsClient (esdk-obs-python {esdk-obs-python}), boto3 {boto3} and s3fs {s3fs}
against MiniStack {ministack}, an S3 server, over http and https on 127.0.0.1, with a
recording tap before each port. Upload and download are putContent and getObject,
put_object and get_object, pipe and cat."""

LEGEND = """
allows   the transports of the page obs_04_0108: HTTPS, or either of HTTP and HTTPS
refused  the call raised SSETransportError; no port saw a connection or a byte
sent     the request reached the server
*        below the table stands what the guard logged as a warning, or refused by another row
-        the S3 API has no parameter for it, so that no request tells; of GetObject the guard
         logs read-in-clear, where the answer shows SSE-KMS over http"""


def perform() -> int:
    """Play all acts.

    Returns:
        0 if everything is as expected, else 1.
    """
    report = Report()
    report.say(INTRODUCTION.format(**{name: version(name) for name in SHOWN}))
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
