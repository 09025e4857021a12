"""Programs that the tests run in separate processes, and snippets for them."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap


def run(code: str, **environment: str) -> str:
    """Run code in a new process, with these guard variables, and return its output."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("OBS_SSE_GUARD")}
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore::SyntaxWarning",
            "-W",
            "ignore::DeprecationWarning",
            "-c",
            textwrap.dedent(code),
        ],
        env={**variables, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


REFUSES = """
def refuses(client):
    try:
        client.putContent('b', 'k', 'x', headers=PutObjectHeader(sseHeader=SseCHeader.getInstance('k' * 32)))
    except obs_sse_guard.SSETransportError:
        return True
"""
MAKE_CLIENT = "client = ObsClient(access_key_id='a', secret_access_key='b', server='http://127.0.0.1:9')"
IMPORT_SDK = "from obs import ObsClient, PutObjectHeader, SseCHeader"
