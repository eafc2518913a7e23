//! The RedBoot config block (fconfig): RedBoot's settings.
//!
//! | offset | field |
//! | --- | --- |
//! | 0 | length N of the block, usually 4096 |
//! | 4 | 0BADFACE, which shows the byte order |
//! | 8 | items, N − 16 bytes, the rest 0 |
//! | N − 8 | DEADDEAD |
//! | N − 4 | CRC of the bytes before it |
//!
//! An item: type, length of the name, enable sense, length of the enable key
//! (one byte each), name and key (each with a NUL; no key: length 0), value.
//! Nothing is aligned. The sizes of strings and scripts are build options of
//! RedBoot that the block does not carry; 128 and 512 bytes are usual.
//!
//! Invariant: [`parse`] takes any bytes and never panics.

use super::{ByteOrder, crc32};

const KEY: [u32; 2] = [0x0bad_face, 0xdead_dead];
const STRING_BYTES: usize = 128;
const SCRIPT_BYTES: usize = 512;

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigItem {
    /// Its name, such as `boot_script_timeout`.
    pub name: String,
    /// Only asked for while the setting of this name is on (or off: `sense`).
    pub enable: Option<Enable>,
    /// Its value.
    pub value: ConfigValue,
}

/// What a setting depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enable {
    /// The name of a bool.
    pub key: String,
    /// Which value of it.
    pub sense: bool,
}

/// The value of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigValue {
    /// Type 1.
    Bool(bool),
    /// Type 2.
    Int(u32),
    /// Type 3: up to 127 bytes.
    String(String),
    /// Type 4: up to 511 bytes, several lines.
    Script(String),
    /// Type 5.
    Ip([u8; 4]),
    /// Type 6.
    Mac([u8; 6]),
    /// Type 7: a network port, by name, up to 127 bytes.
    NetPort(String),
}

/// Why bytes are no config block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Not the two keys, or a length that is not there.
    #[error("no RedBoot config block: {what}")]
    Header {
        /// What is wrong.
        what: String,
    },
    /// The checksum does not fit.
    #[error("RedBoot config: CRC {stored:#010x} stored, {computed:#010x} computed")]
    Crc {
        /// In the block.
        stored: u32,
        /// Over its bytes.
        computed: u32,
    },
    /// An item that runs past the block, or that nobody writes.
    #[error("RedBoot config item at {offset:#x}: {what}")]
    Item {
        /// Its offset in the block.
        offset: usize,
        /// What is wrong.
        what: &'static str,
    },
}

impl ConfigValue {
    fn kind(&self) -> u8 {
        match self {
            Self::Bool(_) => 1,
            Self::Int(_) => 2,
            Self::String(_) => 3,
            Self::Script(_) => 4,
            Self::Ip(_) => 5,
            Self::Mac(_) => 6,
            Self::NetPort(_) => 7,
        }
    }

    fn encode(&self, order: ByteOrder) -> Vec<u8> {
        let mut number = [0; 4];
        let text = |text: &str, length: usize| {
            assert!(
                text.len() < length,
                "a text of {} bytes in {length}",
                text.len()
            );
            let mut bytes = text.as_bytes().to_vec();
            bytes.resize(length, 0);
            bytes
        };
        match self {
            Self::Bool(on) => order.put_u32(&mut number, 0, (*on).into()),
            Self::Int(value) => order.put_u32(&mut number, 0, *value),
            Self::String(value) | Self::NetPort(value) => return text(value, STRING_BYTES),
            Self::Script(value) => return text(value, SCRIPT_BYTES),
            Self::Ip(address) => number = *address,
            Self::Mac(address) => {
                let mut bytes = address.to_vec();
                bytes.resize(8, 0);
                return bytes;
            }
        }
        number.to_vec()
    }
}

/// The config block with these settings.
///
/// # Panics
/// If they do not fit `size_bytes`, or a text does not fit its setting.
pub fn encode(items: &[ConfigItem], order: ByteOrder, size_bytes: usize) -> Vec<u8> {
    let mut block = vec![0; 8];
    order.put_u32(&mut block, 0, size_bytes as u32);
    order.put_u32(&mut block, 4, KEY[0]);
    let with_nul = |name: &str| {
        let length = u8::try_from(name.len() + 1).expect("a name of up to 254 bytes");
        (length, [name.as_bytes(), &[0]].concat())
    };
    for item in items {
        let (name_length, name) = with_nul(&item.name);
        let (key_length, key) = match &item.enable {
            Some(enable) => with_nul(&enable.key),
            None => (0, Vec::new()),
        };
        let sense = item.enable.as_ref().is_some_and(|enable| enable.sense);
        block.extend([item.value.kind(), name_length, sense.into(), key_length]);
        block.extend(name);
        block.extend(key);
        block.extend(item.value.encode(order));
    }
    assert!(
        block.len() + 8 <= size_bytes,
        "the settings do not fit {size_bytes} bytes"
    );
    block.resize(size_bytes, 0);
    order.put_u32(&mut block, size_bytes - 8, KEY[1]);
    let crc = crc32(&block[..size_bytes - 4]);
    order.put_u32(&mut block, size_bytes - 4, crc);
    block
}

/// Checks a config block and reads its settings. `bytes` may go on after it.
///
/// # Errors
/// [`ConfigError`] for anything that RedBoot would not have written.
pub fn parse(bytes: &[u8]) -> Result<(ByteOrder, Vec<ConfigItem>), ConfigError> {
    let header = |what: String| ConfigError::Header { what };
    if bytes.len() < 16 {
        return Err(header(format!("{} bytes are too few", bytes.len())));
    }
    let order = [ByteOrder::Little, ByteOrder::Big]
        .into_iter()
        .find(|order| order.u32(bytes, 4) == KEY[0])
        .ok_or_else(|| header("no 0BADFACE at 0x4".into()))?;
    let size_bytes = order.u32(bytes, 0) as usize;
    if !(16..=bytes.len()).contains(&size_bytes) {
        return Err(header(format!(
            "a length of {size_bytes} in {} bytes",
            bytes.len()
        )));
    }
    if order.u32(bytes, size_bytes - 8) != KEY[1] {
        return Err(header(format!("no DEADDEAD at {:#x}", size_bytes - 8)));
    }
    let (stored, computed) = (
        order.u32(bytes, size_bytes - 4),
        crc32(&bytes[..size_bytes - 4]),
    );
    if stored != computed {
        return Err(ConfigError::Crc { stored, computed });
    }
    let mut items = Vec::new();
    let mut reader = Reader {
        bytes: &bytes[..size_bytes - 8],
        at: 8,
        order,
    };
    while let Some(item) = reader.item()? {
        items.push(item);
    }
    Ok((order, items))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    order: ByteOrder,
}

impl Reader<'_> {
    fn item(&mut self) -> Result<Option<ConfigItem>, ConfigError> {
        let start = self.at;
        let wrong = |what| ConfigError::Item {
            offset: start,
            what,
        };
        let Some(&kind) = self.bytes.get(self.at) else {
            return Ok(None);
        };
        if kind == 0 {
            let rest_is_zero = self.bytes[self.at..].iter().all(|&b| b == 0);
            return match rest_is_zero {
                true => Ok(None),
                false => Err(wrong("bytes after the last item")),
            };
        }
        let short = || wrong("it runs past the end of the block");
        let head = self.take(4).ok_or_else(short)?.to_vec();
        let name = self.take(head[1].into()).ok_or_else(short)?;
        let name = text(name).ok_or_else(|| wrong("its name is no text"))?;
        let enable = match head[3] {
            0 => None,
            length => {
                let key = self.take(length.into()).ok_or_else(short)?;
                Some(Enable {
                    key: text(key).ok_or_else(|| wrong("its enable key is no text"))?,
                    sense: head[2] != 0,
                })
            }
        };
        let order = self.order;
        let bad_text = || wrong("its value is no text");
        let value = match kind {
            1 => ConfigValue::Bool(order.u32(self.take(4).ok_or_else(short)?, 0) != 0),
            2 => ConfigValue::Int(order.u32(self.take(4).ok_or_else(short)?, 0)),
            3 | 7 => {
                let value =
                    text(self.take(STRING_BYTES).ok_or_else(short)?).ok_or_else(bad_text)?;
                match kind {
                    3 => ConfigValue::String(value),
                    _ => ConfigValue::NetPort(value),
                }
            }
            4 => ConfigValue::Script(
                text(self.take(SCRIPT_BYTES).ok_or_else(short)?).ok_or_else(bad_text)?,
            ),
            5 => ConfigValue::Ip(self.take(4).ok_or_else(short)?.try_into().expect("four")),
            6 => ConfigValue::Mac(
                self.take(8).ok_or_else(short)?[..6]
                    .try_into()
                    .expect("six"),
            ),
            _ => return Err(wrong("its type is none from 1 to 7")),
        };
        Ok(Some(ConfigItem {
            name,
            enable,
            value,
        }))
    }

    fn take(&mut self, length: usize) -> Option<&[u8]> {
        let taken = self.bytes.get(self.at..self.at + length)?;
        self.at += length;
        Some(taken)
    }
}

/// A text that ends with NUL; only NUL may follow.
fn text(bytes: &[u8]) -> Option<String> {
    let length = bytes.iter().position(|&b| b == 0)?;
    if bytes[length..].iter().any(|&b| b != 0) {
        return None;
    }
    String::from_utf8(bytes[..length].to_vec()).ok()
}

#[cfg(test)]
mod tests;
