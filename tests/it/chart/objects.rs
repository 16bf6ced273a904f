//! Kubernetes' objects, and questions about them.

use serde_json::Value;

/// What a chart renders.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Objects(Vec<Value>);

impl Objects {
    /// Takes them, in an order that does not depend on the version of helm.
    pub(super) fn new(mut objects: Vec<Value>) -> Self {
        objects.sort_by_key(|object| (text(object, "/kind"), text(object, "/metadata/name")));
        Self(objects)
    }

    pub(super) fn all(&self) -> &[Value] {
        &self.0
    }

    /// `Kind name` of each.
    pub(super) fn names(&self) -> Vec<String> {
        self.0
            .iter()
            .map(|object| format!("{} {}", text(object, "/kind"), text(object, "/metadata/name")))
            .collect()
    }

    pub(super) fn find(&self, kind: &str, name: &str) -> Option<&Value> {
        self.0.iter().find(|object| text(object, "/kind") == kind && text(object, "/metadata/name") == name)
    }

    #[track_caller]
    pub(super) fn get(&self, kind: &str, name: &str) -> &Value {
        self.find(kind, name).unwrap_or_else(|| panic!("no {kind} {name} in {:?}", self.names()))
    }

    /// The Deployment of the agent.
    #[track_caller]
    pub(super) fn agent(&self) -> &Value {
        self.get("Deployment", "gitproxy")
    }

    /// The agent's container.
    #[track_caller]
    pub(super) fn container(&self) -> &Value {
        at(self.agent(), "/spec/template/spec/containers/0")
    }

    /// The `spec` of every pod.
    pub(super) fn pods(&self) -> Vec<&Value> {
        self.0
            .iter()
            .filter_map(|object| match text(object, "/kind").as_str() {
                "Pod" => object.pointer("/spec"),
                _ => object.pointer("/spec/template/spec"),
            })
            .collect()
    }
}

/// What stands at a JSON pointer.
#[track_caller]
pub(super) fn at<'a>(object: &'a Value, pointer: &str) -> &'a Value {
    object.pointer(pointer).unwrap_or_else(|| panic!("no {pointer} in {object:#}"))
}

/// The text at a JSON pointer; an empty one where there is none.
pub(super) fn text(object: &Value, pointer: &str) -> String {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The elements of a list at a JSON pointer; none where there is no list.
pub(super) fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The element of a list of this name.
pub(super) fn named<'a>(object: &'a Value, pointer: &str, name: &str) -> Option<&'a Value> {
    list(object, pointer).iter().find(|element| text(element, "/name") == name)
}

/// The value of a variable of a container.
pub(super) fn variable(container: &Value, name: &str) -> Option<String> {
    named(container, "/env", name).map(|variable| text(variable, "/value"))
}
