"""The log records of HTTP clients, in processes without an SDK."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.environments import alone, installed
from tests.support.servers import TlsRecordingServer, leaks
from tests.support.sse import ENCODED, KEY, MD5, S3_KEY_HEADER

_PROGRAM = """
import logging, sys
import obs_sse_guard
import {library} as library
from urllib.parse import quote

logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
url, ca, header, key, md5 = sys.argv[1:]
library.get(url + "?" + header + "=" + quote(key, safe=""), headers={{header: key, header + "-md5": md5}}, verify=ca)
"""


@pytest.mark.parametrize("library", ["requests", "httpx"])
def test_a_client_alone_logs_no_key(library: str, tmp_path: Path, https: TlsRecordingServer) -> None:
    if not installed(library):
        pytest.skip(f"{library} is not installed here")
    https.answer("GET", headers={S3_KEY_HEADER: ENCODED, f"{S3_KEY_HEADER}-md5": MD5})
    python = alone(tmp_path, library)
    command = [
        python,
        "-c",
        _PROGRAM.format(library=library),
        f"{https.url}/b/k",
        https.ca,
        S3_KEY_HEADER,
        ENCODED,
        MD5,
    ]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert S3_KEY_HEADER in done.stdout, "it logs the URL"
    assert not leaks(done.stdout, KEY)
