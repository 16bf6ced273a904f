//! One command on its way, from its arrival to the line that audit writes.

use std::sync::Arc;

use tokio::time::Instant;
use tonic::{Code, Extensions, Request, Response, Status};
use tracing::Span;

use crate::ops::call::{Call, Deadline, Place, Urgency};
use crate::proto::{Class, Fault, Reason};
use crate::scm::audit::{Audit, Outcome};
use crate::scm::connections;
use crate::scm::describe::Describe;
use crate::scm::fields::Fields;
use crate::scm::{Caller, Command};

/// Tells audit the end exactly once: when it is closed, or else when it is dropped, because then the caller went away.
pub(super) struct Entry {
    pub(super) command: Command,
    bad_field: Option<Fault>,
    audit: Arc<dyn Audit>,
    arrived: Instant,
    span: Span,
    state: State,
    /// Kept here because the command may outlive its call: a write with a key whose caller has left.
    _place: Option<Place>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Closed,
}

impl Entry {
    /// Describes the request; judges nothing yet.
    pub(super) fn open<Q: Describe>(audit: Arc<dyn Audit>, request: &Request<Q>) -> Self {
        let mut fields = Fields::default();
        request.get_ref().describe(&mut fields);
        let (target, bad_field) = fields.into_parts();
        let command = Command {
            method: Q::METHOD,
            caller: request.extensions().get::<Caller>().cloned().unwrap_or_default(),
            connection: connections::name_in(request.metadata()).ok().flatten().map(str::to_owned),
            target,
            idempotency_key: None,
        };
        Self {
            command,
            bad_field,
            audit,
            arrived: Instant::now(),
            span: Span::current(),
            state: State::Open,
            _place: request.extensions().get().cloned(),
        }
    }

    /// What the backend may know of it, once it has been let in.
    pub(super) fn call(&self, extensions: &Extensions) -> Call {
        Call {
            deadline: extensions.get().map(|&Deadline(at)| at),
            urgency: match self.command.method.class {
                Class::Unary | Class::Bulk => Urgency::Interactive,
                Class::Watch => Urgency::Watch,
            },
            trace: extensions.get().copied(),
            key_made: self.command.idempotency_key.map(|key| key.made()),
            key: self.command.idempotency_key.map(|key| key.identity(&self.command.caller)),
        }
    }

    /// The fault that [`Entry::open`] found.
    pub(super) fn check_fields(&mut self) -> Result<(), Fault> {
        self.bad_field.take().map_or(Ok(()), Err)
    }

    /// The span of the command, also for what happens after the response has begun.
    pub(super) fn span(&self) -> &Span {
        &self.span
    }

    /// Ends it with `outcome`.
    pub(super) fn close<T>(mut self, outcome: Result<T, Fault>) -> Result<Response<T>, Status> {
        match outcome {
            Ok(answer) => {
                self.end(Code::Ok, None);
                Ok(Response::new(answer))
            }
            Err(fault) => {
                self.end(fault.code(), Some(fault.reason()));
                Err(fault.into())
            }
        }
    }

    /// Tells audit the end, the first time.
    fn end(&mut self, code: Code, reason: Option<Reason>) {
        if std::mem::replace(&mut self.state, State::Closed) == State::Open {
            let outcome = Outcome { code, reason, lasted: self.arrived.elapsed() };
            self.span.in_scope(|| self.audit.end(&self.command, &outcome));
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.end(Code::Internal, Some(Reason::Internal));
        } else {
            self.end(Code::Cancelled, None);
        }
    }
}
