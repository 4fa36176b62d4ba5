"""aws_cloudtrail: trails with plain and with advanced event selectors."""

from ..edit import get, put
from ..lab import pairs, turn
from ..world import REGION

TYPES = ("aws_cloudtrail",)
PLAIN = [
    {
        "ReadWriteType": "All",
        "IncludeManagementEvents": True,
        "ExcludeManagementEventSources": ["kms.amazonaws.com"],
        "DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3:::a/", "arn:aws:s3:::b/"]}],
    }
]
PLAIN_DECLARED = {
    "read_write_type": "All",
    "include_management_events": True,
    "exclude_management_event_sources": ["kms.amazonaws.com"],
    "data_resource": {"type": "AWS::S3::Object", "values": ["arn:aws:s3:::a/", "arn:aws:s3:::b/"]},
}
# one field selector with each operator: attribute -> the API's name
OPERATORS = {
    "equals": "Equals",
    "not_equals": "NotEquals",
    "starts_with": "StartsWith",
    "not_starts_with": "NotStartsWith",
    "ends_with": "EndsWith",
    "not_ends_with": "NotEndsWith",
}
ADVANCED = [
    {
        "Name": "data",
        "FieldSelectors": [
            {"Field": "eventCategory", "Equals": ["Data"]},
            {"Field": "resources.type", "Equals": ["AWS::S3::Object"]},
            {"Field": "resources.ARN", **{word: [f"arn:aws:s3:::{word}/"] for word in OPERATORS.values()}},
        ],
    }
]
ADVANCED_DECLARED = {
    "name": "data",
    "field_selector": [
        {"field": "eventCategory", "equals": ["Data"]},
        {"field": "resources.ARN", **{name: [f"arn:aws:s3:::{word}/"] for name, word in OPERATORS.items()}},
        {"field": "resources.type", "equals": ["AWS::S3::Object"]},
    ],
}


class Trail:
    """A trail on moto with all that it can have, and its state; `options` replace arguments of CreateTrail."""

    def __init__(self, lab, ready, selectors=None, advanced=None, insights=(), logging=True, declared=None, account=None, **options):
        self.site = lab.site("aws_cloudtrail", account=account)
        self.account, self.name = self.site.account, self.site.name("trail")
        self.trails = self.site.client("cloudtrail")
        prepare(self.site, ready)
        own, self.tags = self.site.tags()
        arguments = {
            "Name": self.name,
            "S3BucketName": f"trails-{self.account}",
            "S3KeyPrefix": "audit",
            "SnsTopicName": "trails",
            "IncludeGlobalServiceEvents": True,
            "IsMultiRegionTrail": True,
            "EnableLogFileValidation": True,
            "CloudWatchLogsLogGroupArn": self.group("trails"),
            "CloudWatchLogsRoleArn": f"arn:aws:iam::{self.account}:role/logs",
            "KmsKeyId": self.key(1),
        }
        self.arguments = {name: value for name, value in (arguments | options).items() if value is not None}
        self.arn = self.trails.create_trail(**self.arguments, TagsList=pairs(self.tags))["TrailARN"]
        if logging:
            self.trails.start_logging(Name=self.name)
        if selectors:
            self.trails.put_event_selectors(TrailName=self.name, EventSelectors=selectors)
        if advanced:
            self.trails.put_event_selectors(TrailName=self.name, AdvancedEventSelectors=advanced)
        if insights:
            self.trails.put_insight_selectors(TrailName=self.name, InsightSelectors=[{"InsightType": t} for t in insights])
        attributes = {
            "arn": self.arn,
            "id": self.arn if self.site.provider == 6 else self.name,
            "name": self.name,
            "home_region": REGION,
            "s3_bucket_name": self.arguments["S3BucketName"],
            "s3_key_prefix": self.arguments.get("S3KeyPrefix", ""),
            "sns_topic_name": self.arguments.get("SnsTopicName", ""),
            "include_global_service_events": self.arguments["IncludeGlobalServiceEvents"],
            "is_multi_region_trail": self.arguments["IsMultiRegionTrail"],
            "is_organization_trail": self.arguments.get("IsOrganizationTrail", False),
            "enable_log_file_validation": self.arguments["EnableLogFileValidation"],
            "enable_logging": logging,
            "cloud_watch_logs_group_arn": self.arguments.get("CloudWatchLogsLogGroupArn", ""),
            "cloud_watch_logs_role_arn": self.arguments.get("CloudWatchLogsRoleArn", ""),
            "kms_key_id": self.arguments.get("KmsKeyId", ""),
            "event_selector": PLAIN_DECLARED if selectors else [],
            "advanced_event_selector": ADVANCED_DECLARED if advanced else [],
            "insight_selector": [{"insight_type": t} for t in insights],
            "tags": own,
            "tags_all": self.tags,
        }
        self.site.declare(attributes | (declared(self) if declared else {}), managed=self.arn)

    def group(self, name):
        return f"arn:aws:logs:{REGION}:{self.account}:log-group:{name}:*"

    def key(self, number):
        return f"arn:aws:kms:{REGION}:{self.account}:key/11111111-2222-3333-4444-{number:012}"

    def change(self, path, what, run, **more):
        self.site.change(self.arn, path, what, run, **more)

    def silent(self, path, what, run=None):
        self.site.silent(self.arn, path, what, run)


def prepare(site, ready):
    """Where the trails of an account write to; nobody declares these."""
    if site.account in ready:
        return
    ready.add(site.account)
    for name in (f"trails-{site.account}", f"other-trails-{site.account}"):
        site.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    for name in ("trails", "other-trails"):
        site.client("sns").create_topic(Name=name)


def arguments(lab, ready):
    """Arguments of the trail itself."""
    words = {
        "S3BucketName": ("s3_bucket_name", lambda t: f"other-trails-{t.account}"),
        "S3KeyPrefix": ("s3_key_prefix", lambda t: "elsewhere"),
        "SnsTopicName": ("sns_topic_name", lambda t: "other-trails"),
        "IsMultiRegionTrail": ("is_multi_region_trail", lambda t: False),
        "IncludeGlobalServiceEvents": ("include_global_service_events", lambda t: False),
        "EnableLogFileValidation": ("enable_log_file_validation", lambda t: False),
        "IsOrganizationTrail": ("is_organization_trail", lambda t: True),
        "CloudWatchLogsLogGroupArn": ("cloud_watch_logs_group_arn", lambda t: t.group("other")),
        "CloudWatchLogsRoleArn": ("cloud_watch_logs_role_arn", lambda t: f"arn:aws:iam::{t.account}:role/other"),
        "KmsKeyId": ("kms_key_id", lambda t: t.key(2)),
    }
    for word, (path, value) in words.items():
        trail = Trail(lab, ready)
        after = value(trail)
        run = lambda t=trail, w=word, a=after: t.trails.update_trail(Name=t.name, **{w: a})
        trail.change(path, turn(trail.arguments.get(word, False), after), run)
    for word, path in (("KmsKeyId", "kms_key_id"), ("S3KeyPrefix", "s3_key_prefix")):
        trail = Trail(lab, ready)
        trail.change(path, turn(trail.arguments[word], None), lambda t=trail, w=word: t.trails.update_trail(Name=t.name, **{w: ""}))
    trail = Trail(lab, ready)
    off = {"CloudWatchLogsLogGroupArn": "", "CloudWatchLogsRoleArn": ""}
    trail.change("cloud_watch_logs_group_arn", "given to none", lambda t=trail: t.trails.update_trail(Name=t.name, **off))
    towards = {
        "IsMultiRegionTrail": ("is_multi_region_trail", False, True),
        "EnableLogFileValidation": ("enable_log_file_validation", False, True),
        "IsOrganizationTrail": ("is_organization_trail", True, False),
        "KmsKeyId": ("kms_key_id", None, "alias/trails"),
    }
    for word, (path, before, after) in towards.items():
        trail = Trail(lab, ready, **{word: before})
        trail.change(path, turn(before, after), lambda t=trail, w=word, a=after: t.trails.update_trail(Name=t.name, **{w: a}))
    trail = Trail(lab, ready)
    trail.change("enable_logging", "on to off", lambda t=trail: t.trails.stop_logging(Name=t.name))
    trail = Trail(lab, ready, logging=False)
    trail.change("enable_logging", "off to on", lambda t=trail: t.trails.start_logging(Name=t.name))
    trail = Trail(lab, ready)
    more = [{"Key": "Extra", "Value": "new"}]
    trail.change("tags.Extra", "none to new", lambda t=trail: t.trails.add_tags(ResourceId=t.arn, TagsList=more))
    trail = Trail(lab, ready)
    other = [{"Key": "Owner", "Value": "somebody"}]
    trail.change("tags.Owner", "platform to somebody", lambda t=trail: t.trails.add_tags(ResourceId=t.arn, TagsList=other))


def selectors(lab, ready):
    words = {
        "read_write_type": ("0.ReadWriteType", "WriteOnly"),
        "include_management_events": ("0.IncludeManagementEvents", False),
        "exclude_management_event_sources": ("0.ExcludeManagementEventSources", []),
        "data_resource.type": ("0.DataResources.0.Type", "AWS::Lambda::Function"),
        "data_resource.values": ("0.DataResources.0.Values", ["arn:aws:s3:::a/"]),
    }
    for path, (place, value) in words.items():
        trail = Trail(lab, ready, selectors=PLAIN)
        run = lambda t=trail, p=place, v=value: t.trails.put_event_selectors(TrailName=t.name, EventSelectors=put(PLAIN, p, v))
        trail.change(f"event_selector.{path}", turn(get(PLAIN, place), value), run)
    advanced = {"name": ("0.Name", "other"), "field_selector.field": ("0.FieldSelectors.2.Field", "resources.other")}
    for name, word in OPERATORS.items():
        advanced[f"field_selector.{name}"] = f"0.FieldSelectors.2.{word}", ["arn:aws:s3:::elsewhere/"]
    for path, (place, value) in advanced.items():
        trail = Trail(lab, ready, advanced=ADVANCED)
        run = lambda t=trail, p=place, v=value: t.trails.put_event_selectors(TrailName=t.name, AdvancedEventSelectors=put(ADVANCED, p, v))
        trail.change(f"advanced_event_selector.{path}", turn(get(ADVANCED, place), value), run)
    trail = Trail(lab, ready, insights=["ApiCallRateInsight"])
    more = [{"InsightType": "ApiErrorRateInsight"}]
    run = lambda t=trail: t.trails.put_insight_selectors(TrailName=t.name, InsightSelectors=more)
    trail.change("insight_selector.insight_type", "one more", run)


def nothing(lab, ready):
    """What means nothing."""
    trail = Trail(lab, ready, selectors=PLAIN)
    order = put(PLAIN, "0.DataResources.0.Values", PLAIN[0]["DataResources"][0]["Values"][::-1])
    trail.silent(
        "event_selector", "values in another order", lambda t=trail: t.trails.put_event_selectors(TrailName=t.name, EventSelectors=order)
    )
    trail = Trail(lab, ready, advanced=ADVANCED)
    fields = put(ADVANCED, "0.FieldSelectors", ADVANCED[0]["FieldSelectors"][::-1])
    trail.silent(
        "advanced_event_selector",
        "fields in another order",
        lambda t=trail: t.trails.put_event_selectors(TrailName=t.name, AdvancedEventSelectors=fields),
    )
    trail = Trail(lab, ready)
    default = [{"ReadWriteType": "All", "IncludeManagementEvents": True, "DataResources": []}]
    trail.silent(
        "event_selector", "the default spelled out", lambda t=trail: t.trails.put_event_selectors(TrailName=t.name, EventSelectors=default)
    )
    trail = Trail(
        lab,
        ready,
        insights=["ApiCallRateInsight", "ApiErrorRateInsight"],
        declared=lambda t: {"insight_selector": [{"insight_type": x} for x in ("ApiErrorRateInsight", "ApiCallRateInsight")]},
    )
    trail.silent("insight_selector", "declared in another order")
    trail = Trail(lab, ready)

    def again(t=trail):
        t.trails.stop_logging(Name=t.name)
        t.trails.start_logging(Name=t.name)

    trail.silent("enable_logging", "stopped and started again", again)
    Trail(lab, ready, declared=lambda t: {"sns_topic_name": f"arn:aws:sns:{REGION}:{t.account}:trails"}).silent(
        "sns_topic_name", "declared by ARN"
    )
    Trail(lab, ready, declared=lambda t: {"cloud_watch_logs_group_arn": t.group("trails").removesuffix(":*")}).silent(
        "cloud_watch_logs_group_arn", "declared without its end"
    )
    Trail(
        lab,
        ready,
        SnsTopicName=None,
        S3KeyPrefix=None,
        KmsKeyId=None,
        declared=lambda t: {"sns_topic_name": None, "s3_key_prefix": None, "kms_key_id": None},
    ).silent("", "null for empty")
    trail = Trail(lab, ready)
    kms, alias = trail.site.client("kms"), f"alias/{trail.name}"
    made = kms.create_key(Description="trails")["KeyMetadata"]
    kms.create_alias(AliasName=alias, TargetKeyId=made["KeyId"])
    for declared in (alias, made["KeyId"], made["Arn"].replace(f"key/{made['KeyId']}", alias)):
        trail = Trail(lab, ready, account=trail.account, KmsKeyId=made["Arn"], declared=lambda t, d=declared: {"kms_key_id": d})
        trail.silent("kms_key_id", f"the same key as {declared.split(':')[-1].split('/')[0]}")


def build(lab, _wanted):
    ready = set()
    arguments(lab, ready)
    selectors(lab, ready)
    nothing(lab, ready)
    for number in range(3):
        trail = Trail(lab, ready, IsMultiRegionTrail=bool(number))
        trail.site.gone(trail.arn, lambda t=trail: t.trails.delete_trail(Name=t.name))
