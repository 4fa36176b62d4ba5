"""The configurations of a bucket that are lists of rules."""

import json

from ._s3_parts import Part, change, when


def lifecycle():
    """Four rules: everything by number of days, by dates, by tag, and with the prefix outside the filter."""
    at = "lifecycle_configuration.rule"
    api = [
        {
            "ID": "days",
            "Status": "Enabled",
            "Filter": {"And": {"Prefix": "data/", "Tags": [{"Key": "kind", "Value": "raw"}]}},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 3},
            "Expiration": {"Days": 365},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 90},
            "NoncurrentVersionTransitions": [{"NoncurrentDays": 30, "StorageClass": "GLACIER", "NewerNoncurrentVersions": 3}],
            "Transitions": [{"Days": 30, "StorageClass": "STANDARD_IA"}, {"Days": 60, "StorageClass": "GLACIER"}],
        },
        {
            "ID": "dates",
            "Status": "Enabled",
            "Filter": {"Prefix": "once/"},
            "Expiration": {"Date": when(2030)},
            "Transitions": [{"Date": when(2029), "StorageClass": "GLACIER"}],
        },
        {
            "ID": "marker",
            "Status": "Disabled",
            "Filter": {"Tag": {"Key": "kind", "Value": "tmp"}},
            "Expiration": {"ExpiredObjectDeleteMarker": True},
        },
        {"ID": "old", "Status": "Enabled", "Prefix": "old/", "Expiration": {"Days": 10}},
    ]
    split = [
        {
            "id": "days",
            "status": "Enabled",
            "filter": {"and": {"prefix": "data/", "tags": {"kind": "raw"}}},
            "abort_incomplete_multipart_upload": {"days_after_initiation": 3},
            "expiration": {"days": 365},
            "noncurrent_version_expiration": {"noncurrent_days": 90},
            "noncurrent_version_transition": {"noncurrent_days": 30, "storage_class": "GLACIER", "newer_noncurrent_versions": 3},
            "transition": [{"days": 30, "storage_class": "STANDARD_IA"}, {"days": 60, "storage_class": "GLACIER"}],
        },
        {
            "id": "dates",
            "status": "Enabled",
            "filter": {"prefix": "once/"},
            "expiration": {"date": "2030-01-01T00:00:00Z"},
            "transition": {"date": "2029-01-01T00:00:00Z", "storage_class": "GLACIER"},
        },
        {
            "id": "marker",
            "status": "Disabled",
            "filter": {"tag": {"key": "kind", "value": "tmp"}},
            "expiration": {"expired_object_delete_marker": True},
        },
        {"id": "old", "status": "Enabled", "prefix": "old/", "expiration": {"days": 10}},
    ]
    inline = [
        {
            "id": "days",
            "enabled": True,
            "prefix": "data/",
            "tags": {"kind": "raw"},
            "abort_incomplete_multipart_upload_days": 3,
            "expiration": {"days": 365},
            "noncurrent_version_expiration": {"days": 90},
            "noncurrent_version_transition": {"days": 30, "storage_class": "GLACIER"},
            "transition": [{"days": 30, "storage_class": "STANDARD_IA"}, {"days": 60, "storage_class": "GLACIER"}],
        },
        {
            "id": "dates",
            "enabled": True,
            "prefix": "once/",
            "expiration": {"date": "2030-01-01"},
            "transition": {"date": "2029-01-01", "storage_class": "GLACIER"},
        },
        {"id": "marker", "enabled": False, "tags": {"kind": "tmp"}, "expiration": {"expired_object_delete_marker": True}},
        {"id": "old", "enabled": True, "prefix": "old/", "expiration": {"days": 10}},
    ]
    own = "lifecycle_rule"
    return Part(
        lambda s3, b, api: (
            s3.put_bucket_lifecycle_configuration(Bucket=b, LifecycleConfiguration=api) if api else s3.delete_bucket_lifecycle(Bucket=b)
        ),
        {"Rules": api},
        "aws_s3_bucket_lifecycle_configuration",
        {"rule": split, "transition_default_minimum_object_size": "all_storage_classes_128K"},
        {own: inline},
        [
            change(f"{at}.id", f"{own}.id", {"Rules.0.ID": "renamed"}),
            change(f"{at}.status", f"{own}.enabled", {"Rules.0.Status": "Disabled"}),
            change(f"{at}.filter.and.prefix", f"{own}.prefix", {"Rules.0.Filter.And.Prefix": "other/"}),
            change(f"{at}.filter.and.tags", f"{own}.tags", {"Rules.0.Filter.And.Tags.0.Value": "cooked"}),
            change(
                f"{at}.abort_incomplete_multipart_upload.days_after_initiation",
                f"{own}.abort_incomplete_multipart_upload_days",
                {"Rules.0.AbortIncompleteMultipartUpload.DaysAfterInitiation": 9},
            ),
            change(f"{at}.expiration.days", f"{own}.expiration.days", {"Rules.0.Expiration.Days": 100}),
            change(
                f"{at}.noncurrent_version_expiration.noncurrent_days",
                f"{own}.noncurrent_version_expiration.days",
                {"Rules.0.NoncurrentVersionExpiration.NoncurrentDays": 5},
            ),
            change(
                f"{at}.noncurrent_version_transition.noncurrent_days",
                f"{own}.noncurrent_version_transition.days",
                {"Rules.0.NoncurrentVersionTransitions.0.NoncurrentDays": 40},
            ),
            change(
                f"{at}.noncurrent_version_transition.storage_class",
                f"{own}.noncurrent_version_transition.storage_class",
                {"Rules.0.NoncurrentVersionTransitions.0.StorageClass": "DEEP_ARCHIVE"},
            ),
            change(
                f"{at}.noncurrent_version_transition.newer_noncurrent_versions",
                "",
                {"Rules.0.NoncurrentVersionTransitions.0.NewerNoncurrentVersions": 9},
            ),
            change(f"{at}.transition.days", f"{own}.transition.days", {"Rules.0.Transitions.1.Days": 90}),
            change(
                f"{at}.transition.storage_class", f"{own}.transition.storage_class", {"Rules.0.Transitions.1.StorageClass": "DEEP_ARCHIVE"}
            ),
            change(f"{at}.expiration.date", f"{own}.expiration.date", {"Rules.1.Expiration.Date": when(2028)}),
            change(f"{at}.transition.date", f"{own}.transition.date", {"Rules.1.Transitions.0.Date": when(2027)}),
            change(f"{at}.filter.prefix", "", {"Rules.1.Filter.Prefix": "twice/"}),
            change(f"{at}.filter.tag.key", "", {"Rules.2.Filter.Tag.Key": "sort"}),
            change(f"{at}.filter.tag.value", "", {"Rules.2.Filter.Tag.Value": "all"}),
            change(
                f"{at}.expiration.expired_object_delete_marker",
                f"{own}.expiration.expired_object_delete_marker",
                {"Rules.2.Expiration": {"Days": 4}},
            ),
            change(f"{at}.prefix", "", {"Rules.3.Prefix": "older/"}),
        ],
    )


def cors():
    block = {
        "allowed_headers": ["x-a"],
        "allowed_methods": ["GET", "PUT"],
        "allowed_origins": ["https://example.com"],
        "expose_headers": ["etag"],
        "max_age_seconds": 30,
    }
    words = {
        "allowed_headers": {"CORSRules.0.AllowedHeaders.1": "x-b"},
        "allowed_methods": {"CORSRules.0.AllowedMethods.2": "DELETE"},
        "allowed_origins": {"CORSRules.0.AllowedOrigins.0": "*"},
        "expose_headers": {"CORSRules.0.ExposeHeaders.0": "x-c"},
        "max_age_seconds": {"CORSRules.0.MaxAgeSeconds": 60},
    }
    rule = {
        "ID": "site",
        "AllowedHeaders": ["x-a"],
        "AllowedMethods": ["GET", "PUT"],
        "AllowedOrigins": ["https://example.com"],
        "ExposeHeaders": ["etag"],
        "MaxAgeSeconds": 30,
    }
    changes = [change(f"cors_rule.{name}", f"cors_rule.{name}", edit) for name, edit in words.items()]
    return Part(
        lambda s3, b, api: s3.put_bucket_cors(Bucket=b, CORSConfiguration=api) if api else s3.delete_bucket_cors(Bucket=b),
        {"CORSRules": [rule]},
        "aws_s3_bucket_cors_configuration",
        {"cors_rule": block | {"id": "site"}},
        {},
        [*changes, change("cors_rule.id", "", {"CORSRules.0.ID": "other"})],
    )


def inline_cors():
    """A rule without the name that the bucket's own block can't hold."""
    part = cors()
    block = {name: value for name, value in part.split["cors_rule"].items() if name != "id"}
    part.api["CORSRules"][0].pop("ID")
    part.inline = {"cors_rule": block}
    part.changes = [c for c in part.changes if c.inline]
    part.only = "inline"
    return part


def website():
    at, rule = "website_configuration", "website_configuration.routing_rule"
    api = [
        {
            "Condition": {"KeyPrefixEquals": "docs/", "HttpErrorCodeReturnedEquals": "404"},
            "Redirect": {"HostName": "a.example.com", "HttpRedirectCode": "301", "Protocol": "https", "ReplaceKeyPrefixWith": "pages/"},
        },
        {"Condition": {"KeyPrefixEquals": "x/"}, "Redirect": {"ReplaceKeyWith": "y.html"}},
    ]
    split = [
        {
            "condition": {"key_prefix_equals": "docs/", "http_error_code_returned_equals": "404"},
            "redirect": {
                "host_name": "a.example.com",
                "http_redirect_code": "301",
                "protocol": "https",
                "replace_key_prefix_with": "pages/",
            },
        },
        {"condition": {"key_prefix_equals": "x/"}, "redirect": {"replace_key_with": "y.html"}},
    ]
    routing = "RoutingRules.0"
    return Part(
        lambda s3, b, api: s3.put_bucket_website(Bucket=b, WebsiteConfiguration=api) if api else s3.delete_bucket_website(Bucket=b),
        {"IndexDocument": {"Suffix": "index.html"}, "ErrorDocument": {"Key": "error.html"}, "RoutingRules": api},
        "aws_s3_bucket_website_configuration",
        {
            "index_document": {"suffix": "index.html"},
            "error_document": {"key": "error.html"},
            "routing_rule": split,
            "routing_rules": json.dumps(api),
        },
        {"website": {"index_document": "index.html", "error_document": "error.html", "routing_rules": json.dumps(api)}},
        [
            change(f"{at}.index_document.suffix", "website.index_document", {"IndexDocument.Suffix": "main.html"}),
            change(f"{at}.error_document.key", "website.error_document", {"ErrorDocument.Key": "oops.html"}),
            change(f"{rule}.condition.http_error_code_returned_equals", "", {f"{routing}.Condition.HttpErrorCodeReturnedEquals": "403"}),
            change(
                f"{rule}.condition.key_prefix_equals",
                "website.routing_rules",
                {f"{routing}.Condition.KeyPrefixEquals": "paper/"},
                f"{rule}.condition.key_prefix_equals",
                f"{at}.routing_rules",
            ),
            change(f"{rule}.redirect.host_name", "", {f"{routing}.Redirect.HostName": "b.example.com"}),
            change(f"{rule}.redirect.http_redirect_code", "", {f"{routing}.Redirect.HttpRedirectCode": "302"}),
            change(f"{rule}.redirect.protocol", "", {f"{routing}.Redirect.Protocol": "http"}),
            change(f"{rule}.redirect.replace_key_prefix_with", "", {f"{routing}.Redirect.ReplaceKeyPrefixWith": "leaves/"}),
            change(f"{rule}.redirect.replace_key_with", "", {"RoutingRules.1.Redirect.ReplaceKeyWith": "z.html"}),
        ],
    )


def redirect():
    """All of a site leads to another host."""
    at = "website_configuration.redirect_all_requests_to"
    return Part(
        website().put,
        {"RedirectAllRequestsTo": {"HostName": "www.example.com", "Protocol": "https"}},
        "aws_s3_bucket_website_configuration",
        {"redirect_all_requests_to": {"host_name": "www.example.com", "protocol": "https"}},
        {"website": {"redirect_all_requests_to": "https://www.example.com"}},
        [
            change(f"{at}.host_name", "website.redirect_all_requests_to", {"RedirectAllRequestsTo.HostName": "evil.example.com"}),
            change(f"{at}.protocol", "", {"RedirectAllRequestsTo.Protocol": "http"}),
        ],
    )
