//! `mtdkeep nodes`.

use crate::backend::{self, LinuxBackend};
use crate::cli::Exit;
use crate::cli::common::device::{self, DeviceArgs};
use crate::cli::error::{CliError, UsageError};
use crate::cli::given::Given;
use crate::cli::output::Output;
use crate::cli::spec::{CommandSpec, DEVICE, Job, OptionSpec, RESULT, Takes, option};
use crate::mtd::{MtdInfo, Node, NodeKind, NodeState, missing_nodes};
use serde::Serialize;
use std::path::{Path, PathBuf};

pub(crate) const SPEC: CommandSpec = CommandSpec {
    options: &[OPTIONS, DEVICE, RESULT],
    examples: &["mtdkeep nodes", "mtdkeep nodes --create"],
    ..CommandSpec::new(
        "nodes",
        "Tell which device nodes are missing, and make them if wanted",
        parse,
    )
};

const OPTIONS: &[OptionSpec] = &[option(
    "create",
    Takes::Nothing,
    "Make the missing nodes (needs root)",
)];

#[derive(Serialize)]
struct Body {
    missing: Vec<NodeBody>,
    wrong: Vec<String>,
}

#[derive(Serialize)]
struct NodeBody {
    path: String,
    /// None in a copied tree, where it would make a way to this machine's flash.
    #[serde(skip_serializing_if = "Option::is_none")]
    mknod: Option<String>,
    created: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

fn parse(given: &mut Given) -> Result<Job, UsageError> {
    let device = device::parse(given)?;
    let create = given.flag("create");
    Ok(Box::new(move |output| run(&device, create, output)))
}

fn run(device: &DeviceArgs, create: bool, output: &Output) -> Result<Exit, CliError> {
    if create && device.is_simulated() {
        return Err(CliError::Other {
            exit: Exit::Refused,
            message: "a simulated device has no place to make nodes in".into(),
            help: Some("leave --create away to see what is missing".into()),
        });
    }
    let copy = copied_tree(device)?;
    if let (true, Some(root)) = (create, &copy) {
        return Err(CliError::Other {
            exit: Exit::Refused,
            message: format!(
                "{} is a copy of a device's files; a node made there would be of this \
                 machine's flash",
                root.display()
            ),
            help: Some(
                "put each partition's bytes into a plain file instead; without --create the \
                 missing ones are listed"
                    .into(),
            ),
        });
    }
    let backend = device::open(device, output)?;
    let devices = backend.devices()?;
    let root = device.root.as_deref().unwrap_or(Path::new("/"));
    let mut body = Body {
        missing: Vec::new(),
        wrong: wrong(&devices),
    };
    for node in missing_nodes(&devices) {
        match &copy {
            Some(copy) => body.missing.extend(missing_file(copy, &node, output)),
            None => body
                .missing
                .push(one(&node, &devices, root, create, output)),
        }
    }
    if body.missing.is_empty() && body.wrong.is_empty() {
        output.line("all device nodes are there");
    }
    for text in &body.wrong {
        output.warn(text);
    }
    let failed = body.missing.iter().any(|node| node.error.is_some());
    let exit = match (failed, create && !body.wrong.is_empty()) {
        (true, _) => Exit::Io,
        // Making all nodes was wanted, and one place is taken by something else.
        (false, true) => Exit::Partial,
        (false, false) => Exit::Done,
    };
    output.document("nodes", exit, &body);
    Ok(exit)
}

/// The tree, where it is a copy.
fn copied_tree(device: &DeviceArgs) -> Result<Option<PathBuf>, CliError> {
    let root = device.root.clone().filter(|_| !device.is_simulated());
    let Some(root) = root else {
        return Ok(None);
    };
    let is_copy = LinuxBackend::new(Some(root.clone())).is_copied_tree()?;
    Ok(is_copy.then_some(root))
}

/// What is missing in a copy; block nodes are of no use there.
fn missing_file(copy: &Path, node: &Node, output: &Output) -> Option<NodeBody> {
    if node.kind != NodeKind::Character {
        return None;
    }
    let path = copy.join(&node.path).display().to_string();
    output.sentence(&format!(
        "{path} is missing: put the partition's bytes into a plain file of that name"
    ));
    Some(NodeBody {
        path,
        mknod: None,
        created: false,
        error: None,
    })
}

fn one(node: &Node, devices: &[MtdInfo], root: &Path, create: bool, output: &Output) -> NodeBody {
    let mknod = node.mknod_line();
    let mut body = NodeBody {
        path: node.to_string(),
        mknod: Some(mknod.clone()),
        created: false,
        error: None,
    };
    if !create {
        output.line(&mknod);
        return body;
    }
    let owner = devices.iter().find(|info| info.index == node.index);
    let Some(owner) = owner else {
        return body;
    };
    match backend::make_node(root, node, &owner.id()) {
        Ok(()) => {
            body.created = true;
            output.line(&format!("made {node}"));
        }
        Err(error) => {
            output.warn(&format!("{error}; as root: {mknod}"));
            body.error = Some(error.to_string());
        }
    }
    body
}

fn wrong(devices: &[MtdInfo]) -> Vec<String> {
    let mut texts = Vec::new();
    for info in devices {
        let nodes = [
            (Node::character(info.index), &info.node),
            (Node::block(info.index), &info.block_node),
        ];
        for (node, state) in nodes {
            if let NodeState::Wrong(what) = state {
                texts.push(format!("{node} is not {}'s node: it is {what}", info.id()));
            }
        }
    }
    texts
}
