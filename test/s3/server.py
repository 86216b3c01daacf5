"""The S3 server of the tests, with a bucket, on a free port."""

import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ACCESS, SECRET, BUCKET = "test-access", "test-secret", "bucket"


def free_port() -> str:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{s.getsockname()[1]}"


class Server:
    def __init__(self, folder: Path):
        self.folder, self.addr = folder, free_port()

    def __enter__(self):
        binary = ROOT / ".s3/versitygw"
        assert binary.exists(), f"{binary} is not built: make s3-server"
        (self.folder / "s3" / BUCKET).mkdir(parents=True)
        self.process = subprocess.Popen([
            binary, "--quiet", "--health", "/health", "--access", ACCESS, "--secret", SECRET, "--port", self.addr,
            "posix", self.folder / "s3",
        ], stdout=subprocess.DEVNULL)
        for _ in range(1500):
            assert self.process.poll() is None, "versitygw ended"
            try:
                urllib.request.urlopen(f"http://{self.addr}/health", timeout=5).close()
                return self
            except urllib.error.URLError:
                time.sleep(0.02)
        raise AssertionError("versitygw does not answer")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=30)

    def environ(self) -> dict:
        """What a program needs in its environment to find the bucket."""
        return {
            "AWS_ENDPOINT_URL_S3": f"http://{self.addr}", "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": ACCESS, "AWS_SECRET_ACCESS_KEY": SECRET,
        }
