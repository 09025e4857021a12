"""Run the scenarios in order, on one testbed and into one report."""

from __future__ import annotations

from importlib.metadata import version

from obs_sse_guard._cli.demo.drivers import SetupError
from obs_sse_guard._cli.demo.report import Report
from obs_sse_guard._cli.demo.scenarios import SCENARIOS
from obs_sse_guard._cli.demo.testbed import other_sdks, set_up

__all__ = ["run_scenarios"]

SHOWN = ("esdk-obs-python", "boto3", "s3fs", "ministack")
INTRODUCTION = (
    "The real ObsClient (esdk-obs-python {esdk-obs-python}), boto3 {boto3}, s3fs {s3fs}{others} against MiniStack "
    "{ministack}, an S3 server, over http and https on 127.0.0.1, with a recording proxy in front of each port. Upload "
    "and download are putContent and getObject, put_object and get_object, pipe and cat."
)
LEGEND = {
    "allows": "transports that page obs_04_0108 allows: HTTPS, or either of HTTP and HTTPS",
    "refused": "the call raised SSETransportError; no connection was opened, no byte was sent",
    "sent": "the request reached the server",
    "*": "see below the table: the guard logged a warning, or another rule refused the call",
    "-": "the SDK has no parameter for this encryption, or signs no form; for GetObject the guard logs read-in-clear "
    "if the response shows SSE-KMS over http",
}


def run_scenarios() -> int:
    """Run all scenarios.

    Returns:
        0 if everything is as expected, else 1.
    """
    report = Report()
    others = "".join(f", {name} {version(name)}" for name in other_sdks())
    report.write(INTRODUCTION.format(**{name: version(name) for name in SHOWN}, others=others))
    try:
        with report.progress("Starting the servers"), set_up(report.count_call) as testbed:
            for scenario in SCENARIOS:
                report.heading(scenario.title)
                for item in scenario.run(testbed):
                    report.show(item)
    except SetupError as error:
        report.write(f"The demo cannot continue: {error}")
        return 1
    report.legend(LEGEND.items())
    return 0 if report.summary() else 1
