//! What is told of a run: warnings, and with `--trace` each intercepted call.

mod call;
mod request;

use crate::Errno;
use crate::mtd::NodeId;
use crate::sandbox::call::Trapped;
pub use call::{Call, Trace};
use std::collections::HashSet;

/// Takes each line as it comes.
pub type Sink = Box<dyn FnMut(&str) + Send>;

/// What the call that is being answered is about, as far as that is known.
#[derive(Debug, Clone, Default)]
pub(super) struct About {
    /// As the text has it.
    pub text: String,
    pub path: Option<String>,
    pub node: Option<NodeId>,
    pub offset_bytes: Option<u64>,
    pub length_bytes: Option<u64>,
}

/// What a call is answered with; none: it goes on inside the process, and comes again.
pub(super) type CallResult = Option<Result<i64, Errno>>;

/// Lines for the user, and what a test wants to look at afterwards.
pub(super) struct Log {
    tracing: bool,
    sink: Sink,
    warned: HashSet<String>,
    /// Each warning once.
    pub warnings: Vec<String>,
    /// Each intercepted call with its answer.
    pub calls: Vec<Call>,
}

impl Log {
    /// A log that keeps and passes on.
    pub fn new(tracing: bool, sink: Sink) -> Self {
        Self {
            tracing,
            sink,
            warned: HashSet::new(),
            warnings: Vec::new(),
            calls: Vec::new(),
        }
    }

    /// Whether calls are recorded.
    pub fn is_tracing(&self) -> bool {
        self.tracing
    }

    /// Warns, once for each text.
    pub fn warn(&mut self, text: &str) {
        if self.warned.insert(text.to_owned()) {
            (self.sink)(&format!("warning: {text}"));
            self.warnings.push(text.to_owned());
        }
    }

    /// What a call that was stopped tells of itself, where calls are recorded.
    pub fn about(&self, name: &str, trapped: &Trapped) -> About {
        if !self.tracing {
            return About::default();
        }
        let (offset_bytes, length_bytes) = request::extent(name, trapped);
        About {
            offset_bytes,
            length_bytes,
            ..About::default()
        }
    }

    /// Records one call with its six arguments.
    pub fn call(
        &mut self,
        (tid, name): (u32, &'static str),
        args: &[u64; 6],
        about: About,
        answer: CallResult,
    ) {
        if self.tracing {
            let call = Call::new(tid, name, args, about, answer);
            (self.sink)(&call.to_string());
            self.calls.push(call);
        }
    }
}
