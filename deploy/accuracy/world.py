"""Someone else's cloud: a moto server, boto3 clients for many accounts of it, and the scan that is put to the test."""

import concurrent.futures
import json
import os
import socket
import subprocess
import threading
import time
import urllib.request

import boto3
import botocore.config

REGION = "eu-west-1"
SECOND_REGION = "us-east-1"
ROLE = "accuracy"
START_LIMIT = 60  # seconds until the server answers
SCAN_LIMIT = 600  # seconds for a scan
# moto draws all ids from one generator; who sets it holds this meanwhile, as every call does (moto answers one at a time anyway)
CALLS = threading.RLock()


def _in_turn(call):
    def wrapped(*arguments, **named):
        with CALLS:
            return call(*arguments, **named)

    return wrapped


class World:
    """A running moto server; ends with the `with` block."""

    def __init__(self, folder, moto, driftline):
        self.folder, self.driftline = folder, driftline
        self.clients, self.roles = {}, {}
        self.lock = threading.Lock()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self.environment = kept | {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        with open(os.path.join(folder, "moto.log"), "w", encoding="utf-8") as log:
            command = [moto, "-H", "127.0.0.1", "-p", str(port)]
            self.server = subprocess.Popen(command, env=kept | {"MOTO_IAM_LOAD_MANAGED_POLICIES": "true"}, stdout=log, stderr=log)

    def __enter__(self):
        end = time.monotonic() + START_LIMIT
        while True:
            try:
                urllib.request.urlopen(f"{self.url}/moto-api/", timeout=5).close()
                return self
            except OSError:
                if self.server.poll() is not None or time.monotonic() > end:
                    self.__exit__()
                    raise SystemExit("moto did not start; see moto.log") from None
                time.sleep(0.1)

    def __exit__(self, *_):
        self.server.terminate()
        try:
            self.server.wait(10)
        except subprocess.TimeoutExpired:
            self.server.kill()

    def client(self, service, account, region=REGION):
        """boto3's client, as a role of that account."""
        key = service, account, region
        with self.lock:
            if key not in self.clients:
                self.clients[key] = self.connect(service, region, **self.credentials(account))
            return self.clients[key]

    def connect(self, service, region, **credentials):
        config = botocore.config.Config(max_pool_connections=8)
        made = boto3.client(service, endpoint_url=self.url, region_name=region, config=config, **credentials)
        made._make_api_call = _in_turn(made._make_api_call)
        return made

    def credentials(self, account):
        """Those of the account's role, asked for once."""
        if account not in self.roles:
            sts = self.connect("sts", REGION, aws_access_key_id="test", aws_secret_access_key="test")
            got = sts.assume_role(RoleArn=f"arn:aws:iam::{account}:role/{ROLE}", RoleSessionName=ROLE)["Credentials"]
            names = {"aws_access_key_id": "AccessKeyId", "aws_secret_access_key": "SecretAccessKey", "aws_session_token": "SessionToken"}
            self.roles[account] = {ours: got[theirs] for ours, theirs in names.items()}
        return self.roles[account]

    def scan(self, accounts, regions, states, types, ignore, name):
        """One `driftline scan`: its report, which is kept in the folder under that name."""
        command = [self.driftline, "scan", "--format", "json", "--role-name", ROLE, "--ignore-file", ignore, "--all"]
        command += [part for account in sorted(accounts) for part in ("--account", account)]
        command += [part for region in sorted(regions) for part in ("--region", region)]
        command += [part for type_ in types for part in ("--type", type_)]
        command += [part for state in states for part in ("--baseline", f"{state.path}@{state.account}/{state.region}")]
        done = subprocess.run(
            command, env=self.environment, cwd=self.folder, capture_output=True, text=True, timeout=SCAN_LIMIT, check=False
        )
        if done.returncode not in (0, 2):
            raise SystemExit(f"the scan failed with {done.returncode}:\n{done.stderr[-4000:]}")
        with open(os.path.join(self.folder, f"{name}.json"), "w", encoding="utf-8") as file:
            file.write(done.stdout)
        return json.loads(done.stdout)


def at_once(jobs, workers=4):
    """Runs functions side by side; the exceptions (or None) in their order."""
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        return [future.exception() for future in [pool.submit(job) for job in jobs]]
