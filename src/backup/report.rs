//! What a check found: findings as data, and the words that are made of them.
//!
//! Invariants: what a finding means, what it is called and what to do about it
//! follows from its [`Kind`] alone, in one table ([`kind`]), and so do its words, but
//! for those that hold values ([`Finding::message`]); sizes, digests and places are
//! values of their own, so that a program need not look for them in a text.

mod kind;

pub(crate) use kind::Kind;
pub use kind::Meaning;

use super::manifest::{Image, MANIFEST, Manifest};
use super::units::{count, size};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// What a check came to.
///
#[cfg_attr(feature = "full", doc = "```")]
#[cfg_attr(not(feature = "full"), doc = "```ignore")]
/// use mtdkeep::backend::SimulatedBackend;
/// use mtdkeep::backup::{self, Folder, Meaning, Request, Work};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let temporary = tempfile::tempdir()?;
/// # let path = temporary.path().join("backup");
/// let device = SimulatedBackend::new(mtd_harness::profile::ispot(1));
/// let folder = Folder::open_or_create(&path)?;
/// backup::backup(&device, &folder, &Request::default(), &Work::default())?;
///
/// std::fs::write(path.join("mtd1.bin"), b"torn")?;
/// let report = backup::verify(&folder, None, &Work::default())?;
/// assert_eq!(report.outcome(), Some(Meaning::Differs));
/// let mut found = report.findings.iter();
/// let damage = found.find(|finding| finding.meaning() == Meaning::Differs);
/// let text = damage.map(|finding| finding.message());
/// assert_eq!(text.as_deref(), Some("mtd1.bin (param): damaged: 4 bytes instead of 128 KiB"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Report {
    /// The backup's manifest.
    pub(crate) manifest: Manifest,
    /// SHA-256 of `manifest.json` as it lies there: one digest over the whole
    /// backup, as far as the images have a SHA-256 in it; none where it is missing.
    pub(crate) manifest_sha256: Option<String>,
    /// The file that the images were compared with in place of a damaged manifest.
    pub(crate) known_by: Option<&'static str>,
    /// What was found, in this order; empty if all is well: what is about all of the
    /// backup; the images in the manifest's order; `SHA256SUMS`; other files; damage
    /// that is known and what is proven in spite of it; what is missing; where the
    /// backup comes from.
    pub findings: Vec<Finding>,
    /// How many images are as they should be.
    pub images_right: usize,
    /// How many bytes they hold.
    pub(crate) bytes_right: u64,
    /// Whether the images were compared with `SHA256SUMS` as well.
    pub(crate) with_sums: bool,
    /// Whether any image was compared with the flash as well.
    pub(crate) with_flash: bool,
}

impl Report {
    /// Whether something was found that means that.
    pub(crate) fn has(&self, meaning: Meaning) -> bool {
        self.findings.iter().any(|f| f.kind.meaning() == meaning)
    }

    /// What it all comes to: a difference is certain, whatever could not be checked
    /// beside it; what could not be checked may be a difference; none if the backup
    /// is good.
    pub fn outcome(&self) -> Option<Meaning> {
        [Meaning::Differs, Meaning::Unchecked, Meaning::Partial]
            .into_iter()
            .find(|meaning| self.has(*meaning))
    }

    /// Compares the digest that was noted, or its first digits, with the manifest's.
    /// True where they agree; a finding, the first, where they do not.
    pub(crate) fn compare_digest(&mut self, noted: &str) -> bool {
        let is = self.manifest_sha256.as_deref();
        let agrees = is.is_some_and(|is| is.starts_with(noted));
        if !agrees {
            let mut found = Finding::new(Kind::OtherDigest, MANIFEST);
            found.expected = vec![Value::Sha256(noted.into())];
            found.actual = is.map(|is| Value::Sha256(is.into())).into_iter().collect();
            self.findings.insert(0, found);
        }
        agrees
    }

    /// What to do about the first finding of those that decide; none where the
    /// backup is good.
    pub(crate) fn next_step(&self) -> Option<String> {
        let outcome = self.outcome()?;
        let mut deciding = self.findings.iter();
        let first = deciding.find(|f| f.kind.meaning() == outcome)?;
        Some(first.kind.row().advice.replace("{}", &first.subject))
    }
}

/// A value that was expected or found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum Value {
    /// SHA-256 in hex digits.
    Sha256(String),
    /// CRC-32 in hex digits.
    Crc32(String),
    /// A length.
    SizeBytes(u64),
    /// An erase-block size.
    EraseBlockBytes(u64),
    /// A partition's name.
    Name(String),
    /// A file's name.
    File(String),
    /// The number of a line, from 1.
    Line(u64),
    /// How many partitions.
    Partitions(u64),
}

impl Value {
    /// Its key in a document, and what it is in words.
    fn named(&self) -> (&'static str, &'static str) {
        match self {
            Self::Sha256(_) => ("sha256", "SHA-256"),
            Self::Crc32(_) => ("crc32", "CRC-32"),
            Self::SizeBytes(_) => ("size_bytes", "size"),
            Self::EraseBlockBytes(_) => ("erase_block_bytes", "erase-block size"),
            Self::Name(_) => ("name", "name"),
            Self::File(_) => ("file", "file name"),
            Self::Line(_) => ("line", "line"),
            Self::Partitions(_) => ("partitions", "partitions"),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Sha256(text) | Self::Name(text) | Self::File(text) => text.clone(),
            Self::Crc32(digits) => format!("CRC-32 {digits}"),
            Self::SizeBytes(bytes) | Self::EraseBlockBytes(bytes) => count(*bytes, "byte"),
            Self::Line(number) | Self::Partitions(number) => number.to_string(),
        }
    }
}

/// One thing that a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub(crate) kind: Kind,
    /// The file, the MTD device, or what else it is about.
    pub(crate) subject: String,
    /// The name of the subject's partition, where there is one.
    pub(crate) partition: Option<String>,
    /// What should be, each kind of value at most once.
    pub(crate) expected: Vec<Value>,
    /// What is, likewise.
    pub(crate) actual: Vec<Value>,
    /// Where in the image, in bytes.
    pub(crate) offset_bytes: Option<u64>,
    /// How much from there.
    pub(crate) length_bytes: Option<u64>,
    /// In which erase block of the partition, counted from 0.
    pub(crate) erase_block: Option<u64>,
    /// What the system or the manifest says about it.
    pub(crate) reason: Option<String>,
}

impl Finding {
    pub(super) fn new(kind: Kind, subject: impl Into<String>) -> Self {
        Self {
            kind,
            subject: subject.into(),
            partition: None,
            expected: Vec::new(),
            actual: Vec::new(),
            offset_bytes: None,
            length_bytes: None,
            erase_block: None,
            reason: None,
        }
    }

    /// That an image's file has not the digest that it should have.
    pub(crate) fn damaged(image: &Image) -> Self {
        let found = Self::new(Kind::Damaged, &image.file).of(&image.name);
        found.is(Value::Sha256(String::new()))
    }

    pub(super) fn of(mut self, partition: &str) -> Self {
        self.partition = Some(partition.into());
        self
    }

    pub(super) fn should_be(mut self, value: Value) -> Self {
        self.expected.push(value);
        self
    }

    pub(super) fn is(mut self, value: Value) -> Self {
        self.actual.push(value);
        self
    }

    pub(super) fn at(mut self, offset_bytes: u64, length_bytes: Option<u64>) -> Self {
        self.offset_bytes = Some(offset_bytes);
        self.length_bytes = length_bytes;
        self
    }

    pub(super) fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// What it means: whether the backup differs, could not be checked, or lacks something.
    pub fn meaning(&self) -> Meaning {
        self.kind.meaning()
    }

    /// The finding in one sentence, without its reason where that has a
    /// line of its own: `mtd3.bin (rootfs): damaged: SHA-256 differs`.
    pub fn message(&self) -> String {
        let subject = match &self.partition {
            Some(name) => format!("{} ({name})", self.subject),
            None => self.subject.clone(),
        };
        self.sentence(&subject)
    }

    /// The sentence of each kind: of values, or what the table puts after the subject.
    fn sentence(&self, subject: &str) -> String {
        use Kind::{
            Changed, Doubt, Empty, FlashNotOpened, HoldsNothing, ImageAndReason, LeftOut, Litter,
            ManifestChanged, ManifestDisagrees, Missing, NoImage, NotInBackup, NotInLayout,
            NotOnDevice, NotPart, OtherDigest, OtherIdentity, PageMissing, TornCopy, Unknown,
            Unreadable,
        };
        let what = self.actual.first().map_or("contents", |v| v.named().1);
        let other = self.file_and_name();
        let reason = || self.reason.as_deref().unwrap_or_default();
        let place = || {
            let at = self.offset_bytes.unwrap_or_default();
            let bytes = size(self.length_bytes.unwrap_or_default());
            format!("{bytes} at {at:#x}")
        };
        match self.kind {
            Kind::AnotherDevice => match &self.partition {
                Some(name) => format!("this is another device, or its {name} was changed"),
                None => "this is another device: it has none of the backup's partitions".into(),
            },
            Kind::Contradiction => {
                format!("{subject}: in the manifest, image and layout differ: {what}")
            }
            Kind::OtherPartition => format!("{subject}: the device has another {what} there"),
            Kind::WrongSize => format!("{subject}: damaged: {}", self.two_sizes()),
            Kind::Damaged => format!("{subject}: damaged: {what} differs"),
            Kind::Swapped => format!("{subject} holds what belongs into {other}"),
            Kind::SumsDisagree => format!("{subject} has another digest of {other}"),
            Kind::SumsTorn => format!("{subject}: line {other} is no digest with a file name"),
            Kind::SumsLack => format!("{subject} has no line for {other}"),
            Kind::SumsRepeat => format!("{subject} has several lines for {other}"),
            Kind::SumsStray => format!("{subject} names {other}, which the manifest does not"),
            Kind::FlashDiffers => format!(
                "{subject} differs from the flash, first at {:#x} (erase block {})",
                self.offset_bytes.unwrap_or_default(),
                self.erase_block.unwrap_or_default()
            ),
            Kind::FlashUnreadable => format!("{subject}: {} not compared with the flash", place()),
            Kind::Hole => format!("{subject}: {} could not be read, 0xFF instead", place()),
            Kind::NotAskedFor => format!("{subject} lacks {other} that had not been asked for"),
            Kind::ManifestDamaged | Kind::Ubi => format!("{subject} {}", reason()),
            Kind::Blank => format!("{subject}: {}", reason()),
            Kind::Proven => format!("{subject} is what {other} says: keep it"),
            Kind::Crc32Only => {
                format!("{subject} has CRC-32 alone, which finds no change made on purpose")
            }
            Kind::NotProven => format!("{subject} was {}", reason()),
            OtherDigest | HoldsNothing | NotInLayout | NoImage | ImageAndReason | OtherIdentity
            | ManifestChanged | Missing | NotPart | ManifestDisagrees | NotOnDevice
            | NotInBackup | Unreadable | Unknown | FlashNotOpened | LeftOut | Doubt | Changed
            | Litter | TornCopy | PageMissing | Empty => subject.to_owned() + self.kind.row().text,
        }
    }

    /// The first lines' number, the file with its partition, or how many partitions.
    fn file_and_name(&self) -> String {
        let mut text = String::new();
        for value in &self.actual {
            match value {
                Value::File(file) => text += file,
                Value::Name(name) => text += &format!(" ({name})"),
                Value::Line(line) => text += &line.to_string(),
                Value::Partitions(number) => text += &count(*number, "partition"),
                _ => {}
            }
        }
        text
    }

    /// `5 bytes instead of 128 KiB`; all bytes where that would say the same twice.
    fn two_sizes(&self) -> String {
        let of = |values: &[Value]| match values.first() {
            Some(Value::SizeBytes(bytes)) => *bytes,
            _ => 0,
        };
        let (is, should) = (of(&self.actual), of(&self.expected));
        match (size(is), size(should)) {
            (a, b) if a == b => {
                format!("{} instead of {}", count(is, "byte"), count(should, "byte"))
            }
            (a, b) => format!("{a} instead of {b}"),
        }
    }

    /// The finding as lines for a person; `all`: with what was expected and found.
    pub(crate) fn lines(&self, all: bool) -> Vec<String> {
        let prefix = match self.kind.meaning() {
            Meaning::Differs | Meaning::Unchecked => "",
            Meaning::Partial => "partial: ",
            Meaning::Note => "note: ",
        };
        let mut lines = vec![format!("{prefix}{}", self.message())];
        let inline = matches!(
            self.kind,
            Kind::NotProven | Kind::ManifestDamaged | Kind::Blank | Kind::Ubi
        );
        if let (Some(reason), false) = (&self.reason, inline) {
            lines.push(format!("  {reason}"));
        }
        // Whoever gave a digest wants to see both.
        if all || self.kind == Kind::OtherDigest {
            let told = |word: &'static str| move |v: &Value| format!("  {word} {}", v.text());
            lines.extend(self.expected.iter().map(told("expected")));
            lines.extend(self.actual.iter().map(told("found   ")));
        }
        lines
    }
}

/// A finding's values as an object of a document.
struct Values<'a>(&'a [Value]);

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for value in self.0 {
            let key = value.named().0;
            match value {
                Value::Sha256(text)
                | Value::Crc32(text)
                | Value::Name(text)
                | Value::File(text) => map.serialize_entry(key, text.as_str())?,
                Value::SizeBytes(number)
                | Value::EraseBlockBytes(number)
                | Value::Line(number)
                | Value::Partitions(number) => map.serialize_entry(key, number)?,
            }
        }
        map.end()
    }
}

impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let message = self.message();
        let texts = [
            ("meaning", Some(self.kind.meaning().word())),
            ("kind", Some(self.kind.word())),
            ("subject", Some(self.subject.as_str())),
            ("partition", self.partition.as_deref()),
            ("message", Some(message.as_str())),
            ("reason", self.reason.as_deref()),
        ];
        for (key, text) in texts {
            if let Some(text) = text {
                map.serialize_entry(key, text)?;
            }
        }
        for (key, values) in [("expected", &self.expected), ("actual", &self.actual)] {
            if !values.is_empty() {
                map.serialize_entry(key, &Values(values))?;
            }
        }
        let numbers = [
            ("offset_bytes", self.offset_bytes),
            ("length_bytes", self.length_bytes),
            ("erase_block", self.erase_block),
        ];
        for (key, number) in numbers {
            if let Some(number) = &number {
                map.serialize_entry(key, number)?;
            }
        }
        map.end()
    }
}
