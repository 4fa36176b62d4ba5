//! The listings of all types, and whole answers of theirs played as pages of their protocols' form.

use serde_json::Value;

/// How many pages a listing that has pages is played in.
pub(crate) const PAGES: usize = 3;

/// Added to a page's number: it comes later, after an empty one.
pub(crate) const LATE: usize = 10;

/// A call that lists one type or several.
pub(crate) struct Listing {
    pub(crate) service: &'static str,
    pub(crate) operation: &'static str,
    /// The types.
    pub(crate) kinds: &'static [&'static str],
    /// The elements whose children are listed.
    lists: &'static [&'static str],
    /// What names the next page in an answer, and in a question; none of a listing without pages.
    token: Option<(&'static str, &'static str)>,
    /// What tells a look-up by id from the listing.
    by_id: &'static str,
}

const fn ec2(
    operation: &'static str,
    kinds: &'static [&'static str],
    lists: &'static [&'static str],
    by_id: &'static str,
) -> Listing {
    Listing { service: "ec2", operation, kinds, lists, token: Some(("nextToken", "NextToken")), by_id }
}

pub(crate) const LISTINGS: [Listing; 11] = [
    ec2("DescribeInstances", &["aws_instance"], &["reservationSet"], "InstanceId.1="),
    ec2("DescribeVolumes", &["aws_ebs_volume"], &["volumeSet"], "VolumeId.1="),
    ec2("DescribeSecurityGroups", &["aws_security_group"], &["securityGroupInfo"], "GroupId.1="),
    ec2("DescribeSubnets", &["aws_subnet"], &["subnetSet"], "SubnetId.1="),
    ec2("DescribeVpcs", &["aws_vpc"], &["vpcSet"], "VpcId.1="),
    Listing {
        service: "s3",
        operation: "ListBuckets",
        kinds: &["aws_s3_bucket"],
        lists: &["Buckets"],
        token: Some(("ContinuationToken", "continuation-token")),
        by_id: "one by one",
    },
    Listing {
        service: "rds",
        operation: "DescribeDBInstances",
        kinds: &["aws_db_instance"],
        lists: &["DBInstances"],
        token: Some(("Marker", "Marker")),
        by_id: "DBInstanceIdentifier=",
    },
    Listing {
        service: "iam",
        operation: "GetAccountAuthorizationDetails",
        kinds: &["aws_iam_policy", "aws_iam_role", "aws_iam_user"],
        lists: &["UserDetailList", "RoleDetailList", "Policies"],
        token: Some(("Marker", "Marker")),
        by_id: "one by one",
    },
    Listing {
        service: "iam",
        operation: "GetAccountPasswordPolicy",
        kinds: &["aws_iam_account_password_policy"],
        lists: &["GetAccountPasswordPolicyResult"],
        token: None,
        by_id: "one by one",
    },
    Listing {
        service: "kms",
        operation: "ListKeys",
        kinds: &["aws_kms_key"],
        lists: &["Keys"],
        token: Some(("NextMarker", "Marker")),
        by_id: "one by one",
    },
    Listing {
        service: "cloudtrail",
        operation: "DescribeTrails",
        kinds: &["aws_cloudtrail"],
        lists: &["trailList"],
        token: None,
        by_id: "one by one",
    },
];

/// What a page shows, and what it says comes next.
#[derive(Clone, Copy)]
pub(crate) struct Page {
    /// Number of the page whose items it shows, from 1; none: it is empty.
    pub(crate) shows: Option<usize>,
    /// The page that it names as the next one.
    pub(crate) next: Option<usize>,
}

impl Listing {
    /// The listing that a call is; none for what is another call, or one for single resources.
    pub(crate) fn of(service: &str, operation: &str, body: &str) -> Option<&'static Self> {
        LISTINGS.iter().find(|l| l.service == service && l.operation == operation && !body.contains(l.by_id))
    }

    pub(crate) fn pages(&self) -> usize {
        if self.token.is_some() { PAGES } else { 1 }
    }

    /// The page that a question asks for, and the question for the whole listing.
    pub(crate) fn asked(&self, text: &str) -> (usize, String) {
        let Some((_, name)) = self.token else { return (1, text.to_owned()) };
        for page in (2..=PAGES).chain(LATE + 1..=LATE + PAGES) {
            for asked in [format!("&{name}=page-{page}"), format!("{name}=page-{page}"), json_token(name, page)] {
                if let Some(at) = text.find(&asked) {
                    let rest = format!("{}{}", &text[..at], &text[at + asked.len()..]);
                    return (page, rest.replace("{,", "{").replace(",}", "}").replace("?&", "?"));
                }
            }
        }
        (1, text.to_owned())
    }

    /// One page of a whole answer.
    pub(crate) fn page(&self, whole: &str, page: Page) -> String {
        if self.service == "kms" || self.service == "cloudtrail" {
            return self.json_page(whole, page);
        }
        let mut whole = whole.to_owned();
        for name in self.lists {
            whole = whole.replace(&format!("<{name}/>"), &format!("<{name}></{name}>"));
        }
        let mut all = Vec::new();
        for (list, name) in self.lists.iter().enumerate() {
            all.extend(children(&whole, name).into_iter().map(|child| (list, child.to_owned())));
        }
        let shown = part(&all, page.shows, self.pages());
        let mut text = whole.clone();
        for (list, name) in self.lists.iter().enumerate() {
            let items: String = shown.iter().filter(|(l, _)| *l == list).map(|(_, c)| c.as_str()).collect();
            if let Some((from, to)) = inside(&text, name) {
                text.replace_range(from..to, &items);
            }
        }
        if let (Some((token, _)), Some(next)) = (self.token, page.next) {
            let more = format!("<{token}>page-{next}</{token}><IsTruncated>true</IsTruncated>");
            text = text.replace("<IsTruncated>false</IsTruncated>", "");
            let last = self.lists.iter().filter_map(|l| Some(text.rfind(&format!("</{l}>"))? + l.len() + 3)).max();
            text.insert_str(last.unwrap_or_else(|| panic!("no list in {whole}")), &more);
        }
        text
    }

    fn json_page(&self, whole: &str, page: Page) -> String {
        let mut body: Value = serde_json::from_str(whole).unwrap();
        let items = body[self.lists[0]].as_array().cloned().unwrap_or_default();
        body[self.lists[0]] = part(&items, page.shows, self.pages()).into();
        if let (Some((token, _)), Some(next)) = (self.token, page.next) {
            body[token] = format!("page-{next}").into();
            body["Truncated"] = true.into();
        }
        body.to_string()
    }
}

fn json_token(name: &str, page: usize) -> String {
    format!("\"{name}\":\"page-{page}\"")
}

/// The items of one page of so many.
fn part<T: Clone>(all: &[T], page: Option<usize>, pages: usize) -> Vec<T> {
    let Some(page) = page else { return Vec::new() };
    all[all.len() * (page - 1) / pages..all.len() * page / pages].to_vec()
}

/// Where the content of an element begins and ends: of the first that is so called.
fn inside(xml: &str, name: &str) -> Option<(usize, usize)> {
    let from = xml.find(&format!("<{name}>"))? + name.len() + 2;
    Some((from, from + xml[from..].find(&format!("</{name}>"))?))
}

/// The child elements of an element, each as it stands.
fn children<'x>(xml: &'x str, name: &str) -> Vec<&'x str> {
    let Some((from, to)) = inside(xml, name) else { return Vec::new() };
    let text = &xml[from..to];
    let (mut found, mut depth, mut start, mut at) = (Vec::new(), 0, 0, 0);
    while let Some(open) = text[at..].find('<').map(|o| at + o) {
        let end = open + text[open..].find('>').unwrap() + 1;
        if depth == 0 {
            start = open;
        }
        match (text[open..end].starts_with("</"), text[open..end].ends_with("/>")) {
            (true, _) => depth -= 1,
            (false, true) => {}
            (false, false) => depth += 1,
        }
        if depth == 0 {
            found.push(&text[start..end]);
        }
        at = end;
    }
    found
}
