use super::{Describe, method};
use crate::proto::Method;
use crate::proto::scm::v1::{ListConnectionsRequest, TestConnectionRequest};
use crate::scm::fields::Fields;

impl Describe for TestConnectionRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.Connections/TestConnection");

    fn describe(&self, _: &mut Fields) {}
}

impl Describe for ListConnectionsRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.Connections/ListConnections");

    fn describe(&self, _: &mut Fields) {}
}
