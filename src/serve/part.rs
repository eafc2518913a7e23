//! What the bytes of an answer are made of.

/// A part of an answer's bytes.
#[derive(Debug)]
pub(crate) enum Part {
    Text(Vec<u8>),
    /// The image of that place in the content's list.
    Image(usize, u64),
    /// The texts at a tar's end, which nobody knows before all images were read.
    Tail(u64),
}

impl Part {
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::Image(_, length) | Self::Tail(length) => *length,
        }
    }
}
