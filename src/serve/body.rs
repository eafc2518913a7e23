//! The bytes of an answer, piece by piece: texts, and images as they are read.

use super::content::{Content, File};
use super::part::Part;
use crate::backup::reader::Progress;
use crate::backup::{BackupError, Work};
use std::collections::VecDeque;
use std::ops::Range;

/// What happened to a body.
#[derive(Debug)]
pub(crate) enum Step {
    /// So many bytes were put into the buffer.
    Filled(usize),
    /// What comes next has to be made first: [`Content::read_on`].
    Wait,
    /// That was all.
    End,
}

/// An answer's bytes, from a place on.
#[derive(Debug)]
pub(crate) struct Body {
    parts: VecDeque<Part>,
    /// How far into the first of them.
    offset_bytes: u64,
    left_bytes: u64,
    /// Of the image that is being read.
    progress: Option<Progress>,
    /// The image that the last piece is from, and where it stands there.
    piece: Option<(usize, Range<u64>)>,
    /// Whether the last text of a backup is among them.
    pub(crate) ends_backup: bool,
    /// It is sent as one chunk (RFC 9112, 7.1), whose length stands in the head, and its
    /// image's digest after it.
    pub(crate) digest_follows: bool,
}

impl Body {
    /// Of a file.
    pub(crate) fn of(file: File) -> Self {
        Self {
            ends_backup: file.ends_backup,
            ..Self::new(file.parts)
        }
    }

    pub(crate) fn new(parts: Vec<Part>) -> Self {
        Self {
            left_bytes: parts.iter().map(Part::length).sum(),
            parts: parts.into(),
            offset_bytes: 0,
            progress: None,
            piece: None,
            ends_backup: false,
            digest_follows: false,
        }
    }

    /// The image that it is, where it is just one.
    pub(crate) fn image(&self) -> Option<usize> {
        match (self.parts.front(), self.parts.len()) {
            (Some(Part::Image(at, _)), 1) => Some(*at),
            _ => None,
        }
    }

    /// How much is left of it.
    pub(crate) fn left_bytes(&self) -> u64 {
        self.left_bytes
    }

    /// Leaves a part of it alone.
    pub(crate) fn cut(&mut self, part: &Range<u64>) {
        self.left_bytes = part.end - part.start;
        self.offset_bytes = part.start;
        while let Some(first) = self.parts.front() {
            let length = first.length();
            if self.offset_bytes < length {
                break;
            }
            self.offset_bytes -= length;
            self.parts.pop_front();
        }
    }

    /// The next piece. What was filled before has been sent.
    ///
    /// # Errors
    /// What is promised cannot be had: the connection has to be cut.
    pub(crate) fn fill(
        &mut self,
        content: &mut Content,
        buffer: &mut [u8],
        work: &Work<'_>,
    ) -> Result<Step, Box<BackupError>> {
        self.sent(content);
        if self.left_bytes == 0 {
            return Ok(Step::End);
        }
        let step = self.next_piece(content, buffer, work)?;
        if self.left_bytes == 0 && std::mem::take(&mut self.digest_follows) {
            // It is known now that the image was read to its end.
            let image = self.piece.as_ref().map(|(image, _)| *image);
            let end = content.trailer(image).into_bytes();
            self.left_bytes = end.len() as u64;
            self.parts.push_back(Part::Text(end));
        }
        Ok(step)
    }

    fn next_piece(
        &mut self,
        content: &mut Content,
        buffer: &mut [u8],
        work: &Work<'_>,
    ) -> Result<Step, Box<BackupError>> {
        if let Some(&Part::Tail(length)) = self.parts.front() {
            let Some(texts) = content.tail(length)? else {
                return Ok(Step::Wait);
            };
            self.parts[0] = Part::Text(texts);
        }
        let room = buffer
            .len()
            .min(usize::try_from(self.left_bytes).unwrap_or(usize::MAX));
        let buffer = &mut buffer[..room];
        let at = self.offset_bytes;
        let (count, length) = match self.parts.front() {
            None | Some(Part::Tail(_)) => return Ok(Step::End),
            Some(Part::Text(text)) => {
                let rest = &text[at as usize..];
                let count = rest.len().min(room);
                buffer[..count].copy_from_slice(&rest[..count]);
                (count, text.len() as u64)
            }
            Some(&Part::Image(image, length)) => {
                let progress = self.progress.get_or_insert_with(|| Progress::at(at));
                let count = content.read(image, progress, buffer, work)?;
                self.piece = Some((image, at..at + count as u64));
                (count, length)
            }
        };
        self.offset_bytes += count as u64;
        self.left_bytes -= count as u64;
        if self.offset_bytes >= length {
            self.parts.pop_front();
            self.offset_bytes = 0;
            self.progress = None;
        }
        Ok(Step::Filled(count))
    }

    /// What was filled last has been sent.
    fn sent(&mut self, content: &mut Content) {
        if let Some((image, range)) = self.piece.take() {
            content.sent(image, range);
        }
        if self.left_bytes == 0 && self.ends_backup {
            content.sent_texts();
        }
    }
}
