//! Errors that a service answers: code, message and request id, in the forms of all protocols.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_schema::protocol::ClientProtocolInner;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_xml::decode::{Document, ScopedDecoder, try_data};

use super::Wire;
use super::xml::Walk;
use crate::error::Error;
use crate::model::Service;

/// The name of an XML document's root, where there is one.
fn root(body: &[u8]) -> Option<&str> {
    let (_, root) = Walk::start(std::str::from_utf8(body).ok()?, 1).ok()?;
    Some(root.name)
}

/// Whether this answer is an error. S3 hides some in a success.
pub(crate) fn is_error(service: &Service, response: &HttpResponse) -> bool {
    let success = response.status().is_success();
    if success && service.name() == "s3" {
        return response.body().bytes().and_then(root).is_some_and(|root| root == "Error");
    }
    !success
}

/// The error that an answer carries.
pub(crate) fn parse(service: &'static Service, response: &HttpResponse) -> Error {
    let body = response.body().bytes().unwrap_or_default();
    let header = |name| response.headers().get(name).map(str::to_owned);
    let mut found = Found::default();
    if service.protocol.is_json() {
        json(service, response, &mut found);
    } else {
        xml(body, &mut found);
    }
    let status = response.status().as_u16();
    let request_id = header("x-amzn-requestid").or_else(|| header("x-amz-request-id")).or(found.request_id);
    Error::Service {
        code: found.code.filter(|c| !c.is_empty()).unwrap_or_else(|| status.to_string()),
        message: found.message.unwrap_or_default(),
        status,
        request_id: request_id.unwrap_or_default(),
    }
}

#[derive(Default)]
struct Found {
    code: Option<String>,
    message: Option<String>,
    request_id: Option<String>,
}

fn json(service: &'static Service, response: &HttpResponse, found: &mut Found) {
    let bag = ConfigBag::base();
    let metadata = match Wire::of(service) {
        Wire::Json(wire) => wire.parse_error_metadata(response, &bag),
        Wire::RestJson(wire) => wire.parse_error_metadata(response, &bag),
        Wire::Query(_) | Wire::RestXml(_) => return,
    };
    if let Ok(metadata) = metadata {
        let metadata = metadata.build();
        found.code = metadata.code().map(str::to_owned);
        found.message = metadata.message().map(str::to_owned);
    }
}

/// `<Error>` stands at the root (S3), below it (query, REST) or below `<Errors>` (EC2); the request's id beside or in it.
fn xml(body: &[u8], found: &mut Found) {
    let Ok(mut document) = Document::try_from(body) else { return };
    let Ok(mut root) = document.root_element() else { return };
    if root.start_el().local() == "Error" {
        error(&mut root, found);
        return;
    }
    while let Some(mut element) = root.next_tag() {
        match element.start_el().local() {
            "Error" => error(&mut element, found),
            "Errors" => {
                while let Some(mut inner) = element.next_tag() {
                    error(&mut inner, found);
                }
            }
            "RequestId" | "RequestID" => found.request_id = text(&mut element),
            _ => {}
        }
    }
}

fn error(element: &mut ScopedDecoder<'_, '_>, found: &mut Found) {
    while let Some(mut field) = element.next_tag() {
        match field.start_el().local() {
            "Code" => found.code = text(&mut field),
            "Message" | "message" => found.message = text(&mut field),
            "RequestId" | "RequestID" => found.request_id = text(&mut field),
            _ => {}
        }
    }
}

fn text(element: &mut ScopedDecoder<'_, '_>) -> Option<String> {
    try_data(element).ok().map(|text| text.trim().to_owned())
}
