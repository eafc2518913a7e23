//! What stands in a file.

use std::borrow::Cow;
use std::sync::Arc;

/// Contents of a file that are made when they are needed.
pub trait Source: Send + Sync {
    /// How many bytes there are.
    fn length_bytes(&self) -> u32;
    /// Writes those from `offset_bytes` on, always the same ones.
    fn fill(&self, offset_bytes: u32, buf: &mut [u8]);
}

/// Contents of a file.
#[derive(Clone)]
pub enum Data {
    /// These bytes.
    Bytes(Cow<'static, [u8]>),
    /// So many zeros; their nodes store nothing (JFFS2_COMPR_ZERO).
    Zeros(u32),
    /// Made when needed.
    Source(Arc<dyn Source>),
}

impl Data {
    pub(super) fn length_bytes(&self) -> u32 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u32,
            Self::Zeros(length) => *length,
            Self::Source(source) => source.length_bytes(),
        }
    }

    pub(super) fn fill(&self, offset_bytes: u32, buf: &mut [u8]) {
        match self {
            Self::Bytes(bytes) => buf.copy_from_slice(&bytes[offset_bytes as usize..][..buf.len()]),
            Self::Zeros(_) => buf.fill(0),
            Self::Source(source) => source.fill(offset_bytes, buf),
        }
    }
}

impl From<&'static str> for Data {
    fn from(text: &'static str) -> Self {
        Self::Bytes(Cow::Borrowed(text.as_bytes()))
    }
}

impl From<String> for Data {
    fn from(text: String) -> Self {
        Self::Bytes(Cow::Owned(text.into_bytes()))
    }
}

impl From<Vec<u8>> for Data {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(Cow::Owned(bytes))
    }
}
