//! `sts:GetCallerIdentity` with a signature that somebody else made: how a service learns who is talking to it.

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;

use crate::client::Client;
use crate::credentials::Identity;
use crate::endpoint::EndpointConfig;
use crate::error::Error;
use crate::model::Service;

impl Client {
    /// Whose the signature is. `host` is the one that was signed, with its path `/`; it is also where the request goes, unless an
    /// endpoint for STS is set. One attempt: who signed may sign again. Redirects are not followed.
    pub async fn caller_identity(
        &self,
        host: &str,
        headers: &[(&'static str, String)],
        body: &'static str,
    ) -> Result<Identity, Error> {
        let service = Service::load("sts")?;
        let operation = service.operation("GetCallerIdentity")?;
        let wrong = |reason: String| Error::Validation { path: "sts:GetCallerIdentity".to_owned(), reason };
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method("POST").map_err(|e| wrong(e.to_string()))?;
        request.set_uri(address(self.endpoints(), host)).map_err(|e| wrong(e.to_string()))?;
        for (name, value) in headers {
            request.headers_mut().try_insert(*name, value.clone()).map_err(|e| wrong(e.to_string()))?;
        }
        let answer = self.once(service, operation, request).await?;
        let member = |name: &str| answer[name].as_str().map(str::to_owned);
        let missing = || Error::Parse("the answer names no account or ARN".to_owned());
        Ok(Identity { account: member("Account").ok_or_else(missing)?, arn: member("Arn").ok_or_else(missing)? })
    }
}

fn address(endpoints: &EndpointConfig, host: &str) -> String {
    match endpoints.service_urls.get("sts").or(endpoints.url.as_ref()) {
        Some(url) => format!("{}/", url.trim_end_matches('/')),
        None => format!("https://{host}/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_to_the_signed_host_unless_another_endpoint_is_set() {
        let host = "sts.eu-west-1.amazonaws.com";
        let set = |name: &str| {
            let url = format!("https://{name}.internal/");
            EndpointConfig::from_variables([(name.to_owned(), url)])
        };
        let cases = [
            (EndpointConfig::default(), "https://sts.eu-west-1.amazonaws.com/"),
            (set("AWS_ENDPOINT_URL"), "https://AWS_ENDPOINT_URL.internal/"),
            (set("AWS_ENDPOINT_URL_STS"), "https://AWS_ENDPOINT_URL_STS.internal/"),
            (set("AWS_ENDPOINT_URL_S3"), "https://sts.eu-west-1.amazonaws.com/"),
        ];
        for (endpoints, expect) in cases {
            assert_eq!(address(&endpoints, host), expect);
        }
    }
}
