//! The wire: a JSON value to a request, an answer to a JSON value, in the five protocols of AWS. Pure: nothing is sent.

pub(crate) mod answer;
#[cfg(test)]
mod conformance;
pub(crate) mod custom;
mod document;
pub(crate) mod fault;
pub(crate) mod request;
pub(crate) mod text;
pub(crate) mod validate;
mod xml;

use aws_smithy_json::protocol::{aws_json_rpc::AwsJsonRpcProtocol, aws_rest_json_1::AwsRestJsonProtocol};
use aws_smithy_query::protocol::AwsQueryProtocol;
use aws_smithy_xml::protocol::aws_rest_xml::AwsRestXmlProtocol;

use crate::model::{Protocol, Service};

/// The protocol's implementation for one service; made once.
#[derive(Debug)]
pub(crate) enum Wire {
    Json(Box<AwsJsonRpcProtocol>),
    Query(Box<AwsQueryProtocol>),
    RestJson(Box<AwsRestJsonProtocol>),
    RestXml(Box<AwsRestXmlProtocol>),
}

impl Wire {
    fn new(service: &Service) -> Self {
        let target = service.target_prefix.unwrap_or_default();
        match service.protocol {
            Protocol::Json10 => Wire::Json(Box::new(AwsJsonRpcProtocol::aws_json_1_0().with_target_prefix(target))),
            Protocol::Json11 => Wire::Json(Box::new(AwsJsonRpcProtocol::aws_json_1_1().with_target_prefix(target))),
            Protocol::Query | Protocol::Ec2 => {
                Wire::Query(Box::new(AwsQueryProtocol::new().with_service_version(service.api_version)))
            }
            Protocol::RestJson => Wire::RestJson(Box::default()),
            Protocol::RestXml => Wire::RestXml(Box::default()),
        }
    }

    pub(crate) fn of(service: &'static Service) -> &'static Wire {
        service.wire.get_or_init(|| Wire::new(service))
    }
}
