#!/usr/bin/env python3
"""Measures `driftline scan` beside Cloud Custodian (`custodian run`): both read the same account from the same server.

    xtask/bench_scan.py --driftline BINARY --custodian BINARY --moto BINARY [--rounds 3]

Builds 502 security groups, 300 buckets and 300 roles on a moto server, has both read them in turn, and prints for each the CPU
time (user and system) and the highest resident memory of its process as the kernel counts them, and the API calls that the
server's log shows. The figures compared are the medians over the rounds. Ends with 1 where a goal is missed. `./dev bench` runs it.
"""

import argparse
import collections
import json
import os
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time

REGION = "us-east-1"
GROUPS, BUCKETS, ROLES = 502, 300, 300
# c7n's figure divided by ours.
GOALS = {"CPU per call": 10, "CPU": 5, "memory": 3}
POLICIES = {"policies": [{"name": kind, "resource": f"aws.{kind}"} for kind in ("s3", "security-group", "iam-role")]}
TYPES = ("aws_s3_bucket", "aws_security_group", "aws_iam_role")
# Answers with an error are coloured in the log.
CALL = re.compile(rb'"(?:\x1b\[[0-9;]*m)*(?:GET|PUT|POST|HEAD|DELETE) (\S+) HTTP')


def environment(url):
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("AWS_", "DRIFTLINE_"))}
    keys = {"AWS_ACCESS_KEY_ID": "benchmark", "AWS_SECRET_ACCESS_KEY": "benchmark", "AWS_EC2_METADATA_DISABLED": "true"}
    return kept | keys | {"AWS_ENDPOINT_URL": url, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}


class Moto:
    """A moto server of its own, on a free port."""

    def __init__(self, program, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url, self.log = f"http://127.0.0.1:{port}", folder / "moto.log"
        with self.log.open("wb") as log:
            command = [program, "-H", "127.0.0.1", "-p", str(port)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment(self.url))
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        self.stop()
        sys.exit(f"moto did not start: {self.log.read_text()}")

    def stop(self):
        self.process.kill()
        self.process.wait()

    def calls(self, start):
        """The calls in the log from a place on: what is asked of buckets by its query, all else by its path."""
        with self.log.open("rb") as log:
            log.seek(start)
            asked = [path.decode() for path in CALL.findall(log.read())]
        kinds = (re.sub(r"=.*", "", p.split("?", 1)[1]) if "?" in p else "/" if p == "/" else "other" for p in asked)
        return collections.Counter(kinds)


def build_group(ec2, vpc, number):
    tags = [{"Key": "Name", "Value": f"service-{number}"}, {"Key": "Owner", "Value": "platform"}]
    group = ec2.create_security_group(
        GroupName=f"service-{number}", Description=f"Service {number}", VpcId=vpc,
        TagSpecifications=[{"ResourceType": "security-group", "Tags": tags}],
    )["GroupId"]
    ports = [(443, f"10.{number % 200}.0.0/16"), (5432, "10.0.0.0/8"), (22, "0.0.0.0/0" if number % 50 == 0 else "192.168.0.0/24")]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[
        {"IpProtocol": "tcp", "FromPort": p, "ToPort": p, "IpRanges": [{"CidrIp": c, "Description": f"port {p}"}]}
        for p, c in ports
    ])


def build_bucket(s3, number):
    name = f"driftline-benchmark-{number}"
    s3.create_bucket(Bucket=name)
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": [
        {"Key": "Owner", "Value": "platform"}, {"Key": "Environment", "Value": "production" if number % 3 else "staging"},
    ]})
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={
        "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]})
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=dict.fromkeys(
        ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"], True))
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [{
        "Sid": "OnlyEncrypted", "Effect": "Deny", "Principal": "*", "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }]}))
    if number % 2:
        s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": [
            {"ID": "old", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 365}}]})


def build_role(iam, policy, number):
    name = f"service-{number}"
    statement = {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam.create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        Tags=[{"Key": "Owner", "Value": "platform"}], MaxSessionDuration=3600,
    )
    bucket = f"arn:aws:s3:::driftline-benchmark-{number}/*"
    iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": bucket}]}))
    iam.attach_role_policy(RoleName=name, PolicyArn=policy)


def build(url):
    """The account. In a process of its own: nothing of it may count as the measured programs'."""
    import boto3

    client = lambda service: boto3.client(
        service, endpoint_url=url, region_name=REGION, aws_access_key_id="benchmark", aws_secret_access_key="benchmark")
    ec2, s3, iam = client("ec2"), client("s3"), client("iam")
    # A VPC has a group of its own, the region's first one too.
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    own = len(ec2.describe_security_groups()["SecurityGroups"])
    policy = iam.create_policy(PolicyName="shared", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "logs:PutLogEvents", "Resource": "*"}]}))["Policy"]["Arn"]
    # One after the other: moto's server stumbles over changes made at the same time.
    for number in range(GROUPS - own):
        build_group(ec2, vpc, number)
    for number in range(BUCKETS):
        build_bucket(s3, number)
    for number in range(ROLES):
        build_role(iam, policy, number)


# Runs a command and tells its exit code, seconds of CPU and KiB of highest resident memory. For a bare interpreter: a process
# starts out with the highest memory of the one that forked it.
MEASURE = """
import os, sys
process = os.fork()
if process == 0:
    os.execv(sys.argv[1], sys.argv[1:])
_, status, usage = os.wait4(process, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, usage.ru_maxrss, file=sys.stderr)
"""
Run = collections.namedtuple("Run", "cpu memory calls seconds")


def run(moto, command, folder, accepted, answer):
    """One measured run, its calls counted; `answer` gives what it read from its output, so that nobody wins by reading less."""
    start, began = moto.log.stat().st_size, time.monotonic()
    measured = subprocess.run(
        [sys.executable, "-I", "-S", "-c", MEASURE, *command], cwd=folder, env=environment(moto.url), capture_output=True)
    seconds = time.monotonic() - began
    told = measured.stderr.decode()
    code, cpu, memory = (float(figure) for figure in told.splitlines()[-1].split())
    if code not in accepted:
        sys.exit(f"{command[0]} ended with {code:.0f}: {told[-2000:]}")
    found = answer(measured.stdout)
    wanted = [BUCKETS, GROUPS, ROLES]
    if found != wanted:
        sys.exit(f"{command[0]} read {found} instead of {wanted}")
    return Run(cpu, memory, moto.calls(start), seconds)


def driftline(program):
    """Reads and judges. Ends with 0 whatever the findings are; 1 is a scope that could not be read."""
    command = [program, "scan", "--format", "json", "--region", REGION, *(w for t in TYPES for w in ("--type", t))]

    def answer(out):
        scopes = json.loads(out)["coverage"]
        return [sum(s["resources"] for s in scopes if (s["type"], s["status"]) == (t, "complete")) for t in TYPES]

    return lambda moto, folder: run(moto, command, folder, (0, 2), answer)


def custodian(program):
    """Reads with its defaults, without its cache."""

    def one(moto, folder):
        policies = folder / "policies.json"
        policies.write_text(json.dumps(POLICIES))
        out = pathlib.Path(tempfile.mkdtemp(dir=folder))
        command = [program, "run", "--cache", "memory", "--cache-period", "0", "-r", REGION, "-s", str(out), str(policies)]

        def answer(_):
            return [len(json.loads((out / p["name"] / "resources.json").read_bytes())) for p in POLICIES["policies"]]

        return run(moto, command, folder, (0,), answer)

    return one


def summary(runs):
    middle = lambda values: statistics.median(list(values))
    calls = middle(r.calls.total() for r in runs)
    cpu = middle(r.cpu for r in runs)
    return {"CPU": cpu, "CPU per call": cpu / calls, "memory": middle(r.memory for r in runs), "calls": calls}


def report(ours, theirs):
    print("| | CPU | CPU per call | memory | calls | resources |\n| --- | --- | --- | --- | --- | --- |")
    for name, found in (("driftline", ours), ("c7n", theirs)):
        print(f"| {name} | {found['CPU']:.2f} s | {found['CPU per call'] * 1000:.3f} ms | {found['memory'] / 1024:.1f} MiB "
              f"| {found['calls']:,.0f} | {GROUPS + BUCKETS + ROLES:,} |")
    missed = 0
    for name, goal in GOALS.items():
        ratio = theirs[name] / ours[name]
        missed += ratio < goal
        print(f"{name}: {ratio:.1f}x less, goal {goal}x: {'missed' if ratio < goal else 'reached'}")
    return missed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("driftline", "custodian", "moto"):
        parser.add_argument(f"--{name}", required=True, type=os.path.abspath)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", action="store_true", help="only build the account and serve it, for a profiler")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        moto = Moto(options.moto, folder)
        try:
            subprocess.run([sys.executable, __file__, "--build", moto.url], check=True)
            if options.serve:
                print(moto.url, flush=True)
                return moto.process.wait()
            readers, runs = {"driftline": driftline(options.driftline), "c7n": custodian(options.custodian)}, {}
            for number in range(options.rounds):
                # Whoever comes second finds a warmer machine: they take turns.
                for name in sorted(readers, reverse=number % 2 == 0):
                    found = readers[name](moto, folder)
                    runs.setdefault(name, []).append(found)
                    print(f"{number + 1} {name:9} {found.cpu:6.2f} s {found.memory / 1024:6.1f} MiB {found.calls.total():5} calls "
                          f"in {found.seconds:.1f} s", file=sys.stderr)
            for name, found in runs.items():
                print(f"{name} asked: " + ", ".join(f"{k} {n}" for k, n in sorted(found[0].calls.items())), file=sys.stderr)
            return 1 if report(summary(runs["driftline"]), summary(runs["c7n"])) else 0
        finally:
            moto.stop()


if sys.argv[1:2] == ["--build"]:
    build(sys.argv[2])
else:
    sys.exit(main())
