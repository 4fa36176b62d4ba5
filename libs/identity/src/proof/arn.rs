//! The ARN of an assumed role, as STS tells it.

/// `arn:aws:sts::111122223333:assumed-role/ROLE/SESSION`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssumedRole {
    /// `aws`, `aws-cn`, `aws-us-gov`.
    pub partition: String,
    /// 12 digits.
    pub account: String,
    /// The role's name, which is unique in its account whatever its path.
    pub role: String,
    /// The session's name.
    pub session: String,
}

impl AssumedRole {
    /// Exactly that form.
    pub fn parse(arn: &str) -> Option<Self> {
        let fields: Vec<&str> = arn.split(':').collect();
        let ["arn", partition, "sts", "", account, resource] = fields[..] else { return None };
        let parts: Vec<&str> = resource.split('/').collect();
        let ["assumed-role", role, session] = parts[..] else { return None };
        // The alphabet of names of roles and sessions (IAM's API reference of CreateRole, STS's of AssumeRole).
        let name = |text: &str| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b);
            (1..=64).contains(&text.len()) && text.bytes().all(plain)
        };
        let digits = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        let whole = digits && matches!(partition, "aws" | "aws-cn" | "aws-us-gov") && name(role) && name(session);
        whole.then(|| Self {
            partition: partition.to_owned(),
            account: account.to_owned(),
            role: role.to_owned(),
            session: session.to_owned(),
        })
    }
}

impl std::fmt::Display for AssumedRole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { partition, account, role, session } = self;
        write!(f, "arn:{partition}:sts::{account}:assumed-role/{role}/{session}")
    }
}
