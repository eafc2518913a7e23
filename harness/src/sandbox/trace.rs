//! What is told of a run: warnings, and with `--trace` each intercepted call.

use std::collections::HashSet;

/// Takes each line as it comes.
pub type Sink = Box<dyn FnMut(&str) + Send>;

/// Lines for the user, and what a test wants to look at afterwards.
pub(super) struct Log {
    tracing: bool,
    sink: Sink,
    warned: HashSet<String>,
    /// Each warning once.
    pub warnings: Vec<String>,
    /// Each intercepted call with its answer.
    pub trace: Vec<String>,
}

impl Log {
    /// A log that keeps and passes on.
    pub fn new(tracing: bool, sink: Sink) -> Self {
        Self {
            tracing,
            sink,
            warned: HashSet::new(),
            warnings: Vec::new(),
            trace: Vec::new(),
        }
    }

    /// Whether calls are recorded.
    pub fn is_tracing(&self) -> bool {
        self.tracing
    }

    /// Warns, once for each text.
    pub fn warn(&mut self, text: &str) {
        if self.warned.insert(text.to_owned()) {
            (self.sink)(&format!("mtdkeep sandbox: warning: {text}"));
            self.warnings.push(text.to_owned());
        }
    }

    /// Records one call.
    pub fn call(&mut self, tid: u32, name: &str, about: &str, answer: &str) {
        if self.tracing {
            let line = format!("[{tid}] {name}({about}) = {answer}");
            (self.sink)(&line);
            self.trace.push(line);
        }
    }
}
