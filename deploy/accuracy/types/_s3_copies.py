"""The configurations of a bucket that send something elsewhere: copies, announcements, lists."""

from ._s3_parts import Part, change


def replication(account, bucket, other, key):
    """One rule to another bucket with all that moto keeps."""
    at, own = "replication_configuration.rule", "replication_configuration.rules"
    role = f"arn:aws:iam::{account}:role/copy"
    rule = {
        "ID": "all",
        "Priority": 1,
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "DeleteMarkerReplication": {"Status": "Disabled"},
        "Destination": {
            "Bucket": f"arn:aws:s3:::{bucket}",
            "Account": account,
            "StorageClass": "STANDARD_IA",
            "AccessControlTranslation": {"Owner": "Destination"},
            "EncryptionConfiguration": {"ReplicaKmsKeyID": key},
            "ReplicationTime": {"Status": "Enabled", "Time": {"Minutes": 15}},
            "Metrics": {"Status": "Enabled", "EventThreshold": {"Minutes": 15}},
        },
    }
    common = {"bucket": f"arn:aws:s3:::{bucket}", "storage_class": "STANDARD_IA", "access_control_translation": {"owner": "Destination"}}
    destination = common | {
        "account": account,
        "encryption_configuration": {"replica_kms_key_id": key},
        "replication_time": {"status": "Enabled", "time": {"minutes": 15}},
        "metrics": {"status": "Enabled", "event_threshold": {"minutes": 15}},
    }
    split = {
        "id": "all",
        "priority": 1,
        "status": "Enabled",
        "filter": {"prefix": ""},
        "delete_marker_replication": {"status": "Disabled"},
        "destination": destination,
    }
    flat = common | {
        "account_id": account,
        "replica_kms_key_id": key,
        "replication_time": {"status": "Enabled", "minutes": 15},
        "metrics": {"status": "Enabled", "minutes": 15},
    }
    inline = {"id": "all", "priority": 1, "status": "Enabled", "filter": {"prefix": ""}, "destination": flat}
    to = "Rules.0.Destination"
    return Part(
        lambda s3, b, api: (
            s3.put_bucket_replication(Bucket=b, ReplicationConfiguration=api) if api else s3.delete_bucket_replication(Bucket=b)
        ),
        {"Role": role, "Rules": [rule]},
        "aws_s3_bucket_replication_configuration",
        {"role": role, "rule": split},
        {"replication_configuration": {"role": role, "rules": inline}},
        [
            change("replication_configuration.role", "replication_configuration.role", {"Role": f"{role}-other"}),
            change(f"{at}.id", f"{own}.id", {"Rules.0.ID": "renamed"}),
            change(f"{at}.priority", f"{own}.priority", {"Rules.0.Priority": 7}),
            change(f"{at}.status", f"{own}.status", {"Rules.0.Status": "Disabled"}),
            change(f"{at}.destination.bucket", f"{own}.destination.bucket", {f"{to}.Bucket": f"arn:aws:s3:::{other}"}),
            change(f"{at}.destination.account", f"{own}.destination.account_id", {f"{to}.Account": "999999999999"}),
            change(f"{at}.destination.storage_class", f"{own}.destination.storage_class", {f"{to}.StorageClass": "GLACIER"}),
            change(
                f"{at}.destination.access_control_translation.owner",
                f"{own}.destination.access_control_translation.owner",
                {f"{to}.AccessControlTranslation": None},
            ),
            change(
                f"{at}.destination.encryption_configuration.replica_kms_key_id",
                f"{own}.destination.replica_kms_key_id",
                {f"{to}.EncryptionConfiguration.ReplicaKmsKeyID": f"{key[:-12]}999999999999"},
            ),
            change(
                f"{at}.destination.replication_time.status",
                f"{own}.destination.replication_time.status",
                {f"{to}.ReplicationTime.Status": "Disabled"},
            ),
            change(
                f"{at}.destination.replication_time.time.minutes",
                f"{own}.destination.replication_time.minutes",
                {f"{to}.ReplicationTime.Time.Minutes": 30},
            ),
            change(f"{at}.destination.metrics.status", f"{own}.destination.metrics.status", {f"{to}.Metrics.Status": "Disabled"}),
            change(
                f"{at}.destination.metrics.event_threshold.minutes",
                f"{own}.destination.metrics.minutes",
                {f"{to}.Metrics.EventThreshold.Minutes": 30},
            ),
        ],
    )


def notification(account):
    """A function, a queue and a topic."""
    words = {
        "lambda_function": (
            "LambdaFunctionConfigurations",
            "lambda_function_arn",
            "LambdaFunctionArn",
            f"arn:aws:lambda:eu-west-1:{account}:function:thumbs",
        ),
        "queue": ("QueueConfigurations", "queue_arn", "QueueArn", f"arn:aws:sqs:eu-west-1:{account}:uploads"),
        "topic": ("TopicConfigurations", "topic_arn", "TopicArn", f"arn:aws:sns:eu-west-1:{account}:uploads"),
    }
    api, split, changes = {}, {}, []
    for name, (list_, attribute, word, arn) in words.items():
        rules = [{"Name": "prefix", "Value": "in/"}, {"Name": "suffix", "Value": ".jpg"}]
        api[list_] = [{"Id": name, word: arn, "Events": ["s3:ObjectCreated:*"], "Filter": {"Key": {"FilterRules": rules}}}]
        split[name] = {"id": name, attribute: arn, "events": ["s3:ObjectCreated:*"], "filter_prefix": "in/", "filter_suffix": ".jpg"}
        at = f"notification.{name}"
        changes += [
            change(f"{at}.id", "", {f"{list_}.0.Id": "renamed"}),
            change(f"{at}.{attribute}", "", {f"{list_}.0.{word}": f"{arn}-other"}),
            change(f"{at}.events", "", {f"{list_}.0.Events": ["s3:ObjectCreated:Put", "s3:ObjectRemoved:*"]}),
            change(f"{at}.filter_prefix", "", {f"{list_}.0.Filter.Key.FilterRules.0.Value": "out/"}),
            change(f"{at}.filter_suffix", "", {f"{list_}.0.Filter.Key.FilterRules.1.Value": ".png"}),
        ]
    put = lambda s3, b, api: s3.put_bucket_notification_configuration(
        Bucket=b, NotificationConfiguration=api, SkipDestinationValidation=True
    )
    return Part(put, api, "aws_s3_bucket_notification", split, {}, changes)


def inventory(account, bucket, other):
    """One report, with what moto keeps of it."""
    to = "InventoryConfiguration.Destination.S3BucketDestination"
    api = {
        "Id": "all",
        "IsEnabled": True,
        "IncludedObjectVersions": "All",
        "Schedule": {"Frequency": "Weekly"},
        "Filter": {"Prefix": "data/"},
        "Destination": {
            "S3BucketDestination": {"Bucket": f"arn:aws:s3:::{bucket}", "Format": "CSV", "Prefix": "lists", "AccountId": account}
        },
    }
    split = {
        "name": "all",
        "enabled": True,
        "included_object_versions": "All",
        "schedule": {"frequency": "Weekly"},
        "filter": {"prefix": "data/"},
        "destination": {"bucket": {"bucket_arn": f"arn:aws:s3:::{bucket}", "format": "CSV", "prefix": "lists", "account_id": account}},
    }
    words = {
        "enabled": ("InventoryConfiguration.IsEnabled", False),
        "schedule.frequency": ("InventoryConfiguration.Schedule.Frequency", "Daily"),
        "filter.prefix": ("InventoryConfiguration.Filter.Prefix", "other/"),
        "destination.bucket.bucket_arn": (f"{to}.Bucket", f"arn:aws:s3:::{other}"),
        "destination.bucket.format": (f"{to}.Format", "ORC"),
        "destination.bucket.prefix": (f"{to}.Prefix", "other"),
        "destination.bucket.account_id": (f"{to}.AccountId", "999999999999"),
    }

    put = lambda s3, b, api: s3.put_bucket_inventory_configuration(Bucket=b, **api)
    changes = [change(f"inventory.{path}", "", {place: value}) for path, (place, value) in words.items()]
    return Part(put, {"Id": "all", "InventoryConfiguration": api}, "aws_s3_bucket_inventory", split, {}, changes)
