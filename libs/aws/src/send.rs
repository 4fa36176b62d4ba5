//! One attempt of one call: signed, sent, read within limits, parsed. What to try again and when is for `client`.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorSettings};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use bytes::BytesMut;
use http_body_util::BodyExt;

use crate::client::Limits;
use crate::error::Error;
use crate::limiter::Meter;
use crate::model::Service;

/// The connections of the process.
#[derive(Debug)]
pub(crate) struct Sender {
    connector: Connector,
    limits: Limits,
}

/// Who signs, where and when.
pub(crate) struct Signature<'a> {
    pub(crate) service: &'a Service,
    pub(crate) region: &'a str,
    pub(crate) credentials: Credentials,
    pub(crate) time: SystemTime,
}

impl Sender {
    pub(crate) fn new(limits: Limits, proxy: Option<aws_smithy_http_client::proxy::ProxyConfig>) -> Self {
        let connect = limits.timeout.min(Duration::from_secs(5));
        let mut builder = Connector::builder()
            .connector_settings(HttpConnectorSettings::builder().connect_timeout(connect).build())
            .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new())
            .enable_tcp_nodelay(true);
        builder.set_proxy_config(proxy);
        let provider = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc);
        Sender { connector: builder.tls_provider(provider).build(), limits }
    }

    /// Sends the request and reads the whole answer.
    pub(crate) async fn send(&self, request: HttpRequest, meter: Option<Meter>) -> Result<HttpResponse, Error> {
        let exchange = async {
            let response = self.connector.call(request).await.map_err(|e| {
                if e.is_timeout() { Error::Timeout(self.limits.timeout) } else { Error::Dispatch(chain(&e)) }
            })?;
            self.read(response, meter).await
        };
        tokio::time::timeout(self.limits.timeout, exchange).await.map_err(|_| Error::Timeout(self.limits.timeout))?
    }

    async fn read(&self, mut response: HttpResponse, mut meter: Option<Meter>) -> Result<HttpResponse, Error> {
        let limit = self.limits.response_bytes;
        let too_large = Error::TooLarge { limit, unit: "bytes" };
        let announced = response.headers().get("content-length").and_then(|l| l.parse::<usize>().ok());
        if announced.is_some_and(|length| length > limit) {
            return Err(too_large);
        }
        let mut body = std::mem::replace(response.body_mut(), SdkBody::taken());
        let mut bytes = BytesMut::with_capacity(announced.unwrap_or_default());
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|e| Error::Truncated(chain(&*e)))?;
            let Ok(data) = frame.into_data() else { continue };
            if bytes.len() + data.len() > limit {
                return Err(too_large);
            }
            if let Some(meter) = &mut meter {
                meter.hold(data.len()).await;
            }
            bytes.extend_from_slice(&data);
        }
        *response.body_mut() = SdkBody::from(bytes.freeze());
        Ok(response)
    }
}

/// Signs a request with AWS Signature Version 4.
pub(crate) fn signed(mut request: HttpRequest, signature: Signature<'_>) -> Result<HttpRequest, Error> {
    let mut settings = SigningSettings::default();
    if signature.service.signing_name == "s3" {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    let unsigned = |reason: String| Error::Credentials(format!("the request can't be signed: {reason}"));
    let identity = signature.credentials.into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(signature.region)
        .name(signature.service.signing_name)
        .time(signature.time)
        .settings(settings)
        .build()
        .map_err(|e| unsigned(e.to_string()))?
        .into();
    let instructions = {
        let body = request.body().bytes().map_or(SignableBody::UnsignedPayload, SignableBody::Bytes);
        let signable = SignableRequest::new(request.method(), request.uri(), request.headers().iter(), body)
            .map_err(|e| unsigned(chain(&e)))?;
        sign(signable, &params).map_err(|e| unsigned(chain(&e)))?.into_parts().0
    };
    let (headers, _) = instructions.into_parts();
    for header in headers {
        request
            .headers_mut()
            .try_insert(header.name(), header.value().to_owned())
            .map_err(|e| unsigned(e.to_string()))?;
    }
    Ok(request)
}

/// An error with what caused it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !text.ends_with(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        cause = error.source();
    }
    text
}
