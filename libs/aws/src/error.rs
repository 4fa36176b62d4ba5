//! What can go wrong with a call, as kinds that a scan can act on.

use std::time::Duration;

/// Why a call gave no value. An answer that was cut short is an error, never a shorter list.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The call contradicts the service's model: unknown service, operation or parameter, missing or wrong type.
    #[error("{path}: {reason}")]
    Validation {
        /// Where: `s3`, `s3:GetBucketAcl`, or the parameter's path below it (`s3:PutBucketTagging Tagging.TagSet[0].Key`).
        path: String,
        /// What is wrong there.
        reason: String,
    },
    /// The service answered with an error.
    #[error("{code} (HTTP {status}): {message}")]
    Service {
        /// The error's code, as `AccessDenied`; the status (`503`) where the answer names none.
        code: String,
        /// The service's words; may be empty.
        message: String,
        /// HTTP status.
        status: u16,
        /// The request's id, as support asks for it; may be empty.
        request_id: String,
    },
    /// The connection ended, or the document did, before the answer was whole.
    #[error("the answer was cut short: {0}")]
    Truncated(String),
    /// The answer is no document of the kind that the model states.
    #[error("the answer can't be read: {0}")]
    Parse(String),
    /// The answer, or all pages of it together, outgrew a limit.
    #[error("the answer is larger than {limit} {unit}")]
    TooLarge {
        /// The limit.
        limit: usize,
        /// What it counts: `bytes`, `levels`, `pages`.
        unit: &'static str,
    },
    /// The deadline passed, retries included.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// Nothing was reached: name, connection, TLS.
    #[error("the service can't be reached: {0}")]
    Dispatch(String),
    /// Nothing answers in this region, which is not known to have the service.
    #[error("{service} is not offered in {region}")]
    NotOffered {
        /// The service.
        service: &'static str,
        /// The region.
        region: String,
    },
    /// No usable credentials.
    #[error("no credentials: {0}")]
    Credentials(String),
    /// A page token came twice: the listing would never end.
    #[error("the listing repeats the page token of an earlier page")]
    PageLoop,
}

const DENIED: &[&str] = &[
    "AccessDenied",
    "AccessDeniedException",
    "AccessDeniedFault",
    "AllAccessDisabled",
    "AuthorizationError",
    "AuthorizationErrorException",
    "AuthorizationFailure",
    "InsufficientPrivilegesException",
    "KMSAccessDeniedException",
    "NotAuthorized",
    "NotAuthorizedException",
    "Unauthorized",
    "UnauthorizedAccess",
    "UnauthorizedException",
    "UnauthorizedOperation",
    "UnauthorizedOperationException",
];
const NO_CREDENTIALS: &[&str] = &[
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidToken",
    "RequestExpired", // EC2 says it of a session that has run out, too
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];
const REGION_UNSUPPORTED: &[&str] =
    &["OptInRequired", "RegionDisabledException", "SubscriptionRequiredException", "UnsupportedRegionException"];
const THROTTLED: &[&str] = &[
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
    "LimitExceededException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionInProgressException",
];

impl Error {
    /// The service's error code, where a service answered.
    pub fn code(&self) -> Option<&str> {
        match self {
            Error::Service { code, .. } => Some(code),
            _ => None,
        }
    }

    /// The caller may not do this, or its credentials are refused.
    pub fn is_denied(&self) -> bool {
        match self {
            Error::Service { code, status, .. } => {
                DENIED.contains(&code.as_str())
                    || NO_CREDENTIALS.contains(&code.as_str())
                    || (matches!(status, 401 | 403) && !self.is_region_unsupported() && !self.is_throttled())
            }
            Error::Credentials(_) => true,
            _ => false,
        }
    }

    /// The service asks for fewer calls.
    pub fn is_throttled(&self) -> bool {
        matches!(self, Error::Service { code, status, .. } if *status == 429 || THROTTLED.contains(&code.as_str()))
    }

    /// What was asked for isn't there.
    pub fn is_not_found(&self) -> bool {
        let Error::Service { code, status, .. } = self else { return false };
        *status == 404
            || code.starts_with("NoSuch")
            || ["NotFound", "NotFoundException", "NotFoundFault", "NotFoundError", "DoesNotExist"]
                .iter()
                .any(|end| code.ends_with(end))
            || code.contains(".NotFound")
            || code.ends_with(".Unknown")
    }

    /// The account has not this region, or the region not this service.
    pub fn is_region_unsupported(&self) -> bool {
        match self {
            Error::NotOffered { .. } => true,
            Error::Service { code, .. } => REGION_UNSUPPORTED.contains(&code.as_str()),
            _ => false,
        }
    }
}
