"""Documents of IAM, and other ways to write them."""

import json

from ..edit import put

STRANGER = "999999999999"
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
BUCKETS = "arn:aws:iam::aws:policy/AmazonS3FullAccess"
VIEWER = "arn:aws:iam::aws:policy/job-function/ViewOnlyAccess"
AUDITOR = "arn:aws:iam::aws:policy/SecurityAudit"
ADMIN = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def document(account="111111111111"):
    """Reading a bucket, and a queue."""
    read = {
        "Sid": "Read",
        "Effect": "Allow",
        "Action": ["s3:GetObject", "s3:ListBucket"],
        "Resource": ["arn:aws:s3:::data", "arn:aws:s3:::data/*"],
    }
    queue = {"Sid": "Queue", "Effect": "Allow", "Action": "sqs:ReceiveMessage", "Resource": f"arn:aws:sqs:eu-west-1:{account}:jobs"}
    only = {
        "Sid": "Home",
        "Effect": "Deny",
        "NotAction": "iam:*",
        "Resource": "*",
        "Condition": {"StringNotEquals": {"aws:RequestedRegion": ["eu-west-1", "eu-central-1"]}},
    }
    return {"Version": "2012-10-17", "Statement": [read, queue, only]}


def trust(account):
    """EC2 with a source account, and one role."""
    service = {
        "Effect": "Allow",
        "Principal": {"Service": ["ec2.amazonaws.com", "lambda.amazonaws.com"]},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"aws:SourceAccount": account}},
    }
    own = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": ["sts:AssumeRole", "sts:TagSession"]}
    return {"Version": "2012-10-17", "Statement": [service, own]}


# changes of a document of rights, in words
CHANGES = {
    "becomes administrator": lambda d: ADMIN,
    "more actions": lambda d: put(d, "Statement.0.Action.2", "s3:PutObject"),
    "another resource": lambda d: put(d, "Statement.0.Resource", "*"),
    "another condition": lambda d: put(d, "Statement.2.Condition.StringNotEquals.aws:RequestedRegion", ["eu-west-1"]),
    "one statement less": lambda d: put(d, "Statement.2", None),
    "may pass every role": lambda d: put(
        d, "Statement.3", {"Effect": "Allow", "Action": ["iam:PassRole", "ec2:RunInstances"], "Resource": "*"}
    ),
}
# the same document in other words
WORDS = {
    "statements in another order": lambda d: d | {"Statement": d["Statement"][::-1]},
    "actions in another order and case": lambda d: put(d, "Statement.0.Action", ["S3:listbucket", "s3:getobject"]),
    "one action as a list": lambda d: put(d, "Statement.1.Action", ["sqs:ReceiveMessage"]),
    "resources in another order": lambda d: put(d, "Statement.0.Resource", d["Statement"][0]["Resource"][::-1]),
    "condition values in another order": lambda d: put(
        d, "Statement.2.Condition.StringNotEquals.aws:RequestedRegion", ["eu-central-1", "eu-west-1"]
    ),
    "wide JSON, keys in another order": lambda d: json.dumps(d, indent=4, sort_keys=True),
}


def text(document):
    """As the API takes it."""
    return document if isinstance(document, str) else json.dumps(document)
