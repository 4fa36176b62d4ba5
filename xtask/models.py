#!/usr/bin/env python3
"""Makes libs/aws/models: AWS's service models as PyPI's botocore ships them, cut down to what calling needs.

    python3 -m venv /tmp/models && /tmp/models/bin/pip install botocore==1.44.8 && /tmp/models/bin/python xtask/models.py

One gzip per service, in botocore's own form: metadata, operations, shapes and paginators, without prose, limits, patterns,
enumerations and error shapes. The endpoint rules are replaced by what they say for every known region (and for one that
nobody knows yet), written as a template per partition and variant with its exceptions. The same input gives the same bytes.
"""

import gzip
import json
import pathlib
import sys

import botocore
import botocore.loaders
from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import EndpointProviderError

BOTOCORE = "1.44.8"
SERVICES = """
s3 ec2 rds iam cloudtrail kms sts organizations account
accessanalyzer acm apigateway apigatewayv2 application-autoscaling appsync athena autoscaling backup batch cloudformation cloudfront cloudwatch
codebuild cognito-idp config dax dms docdb dynamodb ecr ecs efs eks elasticache elasticbeanstalk elb elbv2 emr events firehose fsx glue guardduty
inspector2 kafka kinesis lambda logs macie2 mq neptune network-firewall opensearch redshift resourcegroupstaggingapi route53 s3control
sagemaker secretsmanager securityhub sns sqs ssm stepfunctions transfer wafv2 workspaces
""".split()
# A region that no table knows shows what the rules say of all that are still to come.
FUTURE = {"aws": "us-future-9", "aws-cn": "cn-future-9", "aws-us-gov": "us-gov-future-9"}
VARIANTS = {"": (False, False), "+fips": (True, False), "+dual": (False, True), "+fips+dual": (True, True)}

METADATA = ["protocol", "serviceId", "jsonVersion", "targetPrefix", "apiVersion"]
HTTP = ["method", "requestUri"]
OPERATION = ["authtype", "httpChecksumRequired", "unsignedPayload"]
BODY = ["shape", "resultWrapper", "locationName", "xmlNamespace"]
SHAPE = ["type", "required", "payload", "locationName", "xmlNamespace", "timestampFormat", "flattened", "sparse",
         "document", "eventstream", "union"]
MEMBER = ["shape", "location", "locationName", "xmlNamespace", "xmlAttribute", "flattened", "idempotencyToken", "jsonvalue",
          "timestampFormat", "queryName", "hostLabel"]
PROTOCOLS = ["json", "rest-json", "rest-xml", "query", "ec2"]


def keep(source, names):
    return {n: source[n] for n in names if source.get(n) not in (None, False, [], {}, "")}


def cut_shape(shape):
    cut = keep(shape, SHAPE)
    if shape["type"] == "structure":
        cut["members"] = {n: keep(m, MEMBER) for n, m in shape["members"].items()}
    for part in ("member", "key", "value"):
        if part in shape:
            cut[part] = keep(shape[part], MEMBER)
    return cut


def references(shape):
    return list(shape.get("members", {}).values()) + [shape[p] for p in ("member", "key", "value") if p in shape]


def marked(service, name):
    """What botocore's handlers know by a shape's name, and the cut-down model has to say."""
    if service == "iam" and name == "policyDocumentType":
        return {"policyDocument": True}
    if service == "route53" and name in ("ResourceId", "DelegationSetId", "ChangeId"):
        return {"pathId": True}
    return {}


def cut_shapes(service, shapes, roots):
    """The shapes reached from the operations; scalars without traits share one shape per type."""
    reached, todo = {}, list(roots)
    while todo:
        name = todo.pop()
        if name in reached:
            continue
        reached[name] = cut_shape(shapes[name]) | marked(service, name)
        todo += [m["shape"] for m in references(reached[name])]
    plain = {n: s["type"] for n, s in reached.items() if s.keys() == {"type"}}
    cut = {n: s for n, s in reached.items() if n not in plain}
    for kind in set(plain.values()):
        assert kind not in cut, kind
        cut[kind] = {"type": kind}
    for shape in cut.values():
        for member in references(shape):
            member["shape"] = plain.get(member["shape"], member["shape"])
    return cut


def cut_operation(operation):
    cut = keep(operation, OPERATION)
    cut["http"] = keep(operation["http"], HTTP)
    if "hostPrefix" in operation.get("endpoint", {}):
        cut["endpoint"] = {"hostPrefix": operation["endpoint"]["hostPrefix"]}
    if operation.get("httpChecksum", {}).get("requestChecksumRequired"):
        cut["crc32Required"] = True
    for part in ("input", "output"):
        if part in operation:
            cut[part] = keep(operation[part], BODY)
    return cut


def endpoints(service, loader, partitions):
    rules = EndpointProvider(loader.load_service_model(service, "endpoint-rule-set-1"), partitions)
    # STS and S3 have a global endpoint of old; the regional one is asked for.
    extra = {"UseGlobalEndpoint": False} if service in ("s3", "sts") else {}

    def resolve(region, fips, dual):
        try:
            found = rules.resolve_endpoint(Region=region, UseFIPS=fips, UseDualStack=dual, **extra)
        except EndpointProviderError:
            return None
        scheme = (found.properties.get("authSchemes") or [{}])[0]
        return [found.url.replace(region, "{region}"), scheme.get("signingRegion", region).replace(region, "{region}")]

    def filled(endpoint, region):
        return endpoint and [text.replace("{region}", region) for text in endpoint]

    table = {}
    for partition in partitions["partitions"]:
        if partition["id"] not in FUTURE:
            continue
        regions = [r for r in partition["regions"] if not r.endswith("-global")]
        for variant, flags in VARIANTS.items():
            template = resolve(FUTURE[partition["id"]], *flags)
            others = {r: resolve(r, *flags) for r in regions}
            table[partition["id"] + variant] = {
                "default": template,
                "regions": {r: e for r, e in others.items() if e and filled(e, r) != filled(template, r)},
            }
    return {k: keep(v, ["default", "regions"]) for k, v in table.items() if v["default"]}


def offered(prefix, known):
    """The regions where a regional service is known to be, by partition; what isn't listed may still be new."""
    regions = {}
    for partition in known["partitions"]:
        service = partition["services"].get(prefix, {})
        if partition["partition"] in FUTURE and service.get("isRegionalized", True):
            there = sorted(r for r in service.get("endpoints", {}) if r in partition["regions"])
            regions |= {partition["partition"]: there} if there else {}
    return regions


def cut_service(name, loader, partitions):
    model = loader.load_service_model(name, "service-2")
    metadata = model["metadata"]
    protocol = next(p for p in PROTOCOLS if p in metadata.get("protocols", [metadata["protocol"]]))
    cut = keep(metadata, METADATA)
    cut |= {"protocol": protocol, "signingName": metadata.get("signingName", metadata["endpointPrefix"])}
    if "awsQueryCompatible" in metadata:
        cut["awsQueryCompatible"] = True
    operations = {n: cut_operation(o) for n, o in model["operations"].items()}
    roots = [o[p]["shape"] for o in operations.values() for p in ("input", "output") if p in o]
    try:
        pagination = loader.load_service_model(name, "paginators-1")["pagination"]
    except botocore.exceptions.UnknownServiceError:
        pagination = {}
    return {
        "metadata": cut,
        "operations": operations,
        "shapes": cut_shapes(name, model["shapes"], roots),
        "pagination": pagination,
        "endpoints": endpoints(name, loader, partitions),
        "offered": offered(metadata["endpointPrefix"], loader.load_data("endpoints")),
    }


def main():
    if botocore.__version__ != BOTOCORE:
        sys.exit(f"botocore {BOTOCORE} is wanted, {botocore.__version__} is there")
    folder = pathlib.Path(__file__).resolve().parent.parent / "libs/aws/models"
    folder.mkdir(exist_ok=True)
    loader = botocore.loaders.Loader()
    partitions = loader.load_data("partitions")
    total = 0
    for name in sorted(SERVICES):
        text = json.dumps(cut_service(name, loader, partitions), separators=(",", ":"), sort_keys=False).encode()
        packed = gzip.compress(text, 9, mtime=0)
        (folder / f"{name}.json.gz").write_bytes(packed)
        total += len(packed)
        print(f"{name:28} {len(text):9} {len(packed):8}")
    for stale in folder.glob("*.json.gz"):
        if stale.name.removesuffix(".json.gz") not in SERVICES:
            stale.unlink()
    print(f"{len(SERVICES)} services, {total} bytes")


main()
