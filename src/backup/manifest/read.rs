//! A manifest's JSON: one small tree of values, from which the fields are taken.
//!
//! Derived readers of each struct are three times as large in the device's program,
//! because each has a reader of its own for every kind of value.
//!
//! Invariants: a field that is there twice is an error, as is one of another kind;
//! fields that are not asked for are passed over (a later minor version adds some);
//! `null` counts as absent.

use super::super::blank::Blank;
use super::{
    Device, Identity, Image, LayoutEntry, LeftOut, Manifest, Origin, Rebuilt, SecondReading,
    Unreadable,
};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// A value of a manifest.
pub(super) enum Json {
    /// `null`.
    Nothing,
    Flag(bool),
    Number(u64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
    /// A number that no field of a manifest has: negative, or with a fraction.
    Foreign,
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Nothing)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Flag(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Json, E> {
        Ok(Json::Foreign)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Foreign)
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = from.next_element()? {
            list.push(value);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Json, A::Error> {
        let mut fields: Vec<(String, Json)> = Vec::new();
        while let Some(field) = from.next_entry()? {
            fields.push(field);
        }
        // How serde_json hands on what is neither u64 nor i64, where it is built with
        // `arbitrary_precision` (the device build).
        if let [(name, _)] = &fields[..] {
            if name == "$serde_json::private::Number" {
                return Ok(Json::Foreign);
            }
        }
        Ok(Json::Object(fields))
    }
}

/// A field that is not as it must be.
#[derive(Debug)]
pub(super) struct WrongField {
    name: &'static str,
    what: &'static str,
}

impl fmt::Display for WrongField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the field `{}` {}", self.name, self.what)
    }
}

/// The fields of one object, taken one after the other.
pub(super) struct Fields(Vec<(String, Json)>);

type Taken<T> = Result<T, WrongField>;

impl Fields {
    /// `name` is what the object is, for errors.
    pub(super) fn of(json: Json, name: &'static str) -> Taken<Self> {
        match json {
            Json::Object(fields) => Ok(Self(fields)),
            _ => Err(wrong(name, "is no object")),
        }
    }

    /// What a manifest says of its format: name and version.
    pub(super) fn head(&self) -> Taken<(&str, &str)> {
        let text = |name| {
            let mut values = self.0.iter().filter(|field| field.0 == name);
            match (values.next(), values.next()) {
                (Some((_, Json::Text(text))), None) => Ok(text.as_str()),
                (None, _) => Err(wrong(name, "is missing")),
                (_, Some(_)) => Err(wrong(name, "is there twice")),
                _ => Err(wrong(name, "is no text")),
            }
        };
        Ok((text("format")?, text("format_version")?))
    }

    fn take(&mut self, name: &'static str) -> Taken<Option<Json>> {
        let mut found = None;
        // From the end: what is taken leaves no gap to fill.
        for at in (0..self.0.len()).rev() {
            if self.0[at].0 != name {
                continue;
            }
            if found.is_some() {
                return Err(wrong(name, "is there twice"));
            }
            found = Some(self.0.swap_remove(at).1);
        }
        Ok(found.filter(|value| !matches!(value, Json::Nothing)))
    }

    fn maybe_text(&mut self, name: &'static str) -> Taken<Option<String>> {
        match self.take(name)? {
            None => Ok(None),
            Some(Json::Text(text)) => Ok(Some(text)),
            Some(_) => Err(wrong(name, "is no text")),
        }
    }

    fn text(&mut self, name: &'static str) -> Taken<String> {
        must(name, self.maybe_text(name))
    }

    fn maybe_number(&mut self, name: &'static str) -> Taken<Option<u64>> {
        match self.take(name)? {
            None => Ok(None),
            Some(Json::Number(number)) => Ok(Some(number)),
            Some(_) => Err(wrong(name, "is no whole number of at most 64 bits")),
        }
    }

    fn number(&mut self, name: &'static str) -> Taken<u64> {
        must(name, self.maybe_number(name))
    }

    fn maybe_short(&mut self, name: &'static str) -> Taken<Option<u32>> {
        let number = self.maybe_number(name)?;
        let short = number.map(u32::try_from);
        short
            .transpose()
            .map_err(|_| wrong(name, "needs more than 32 bits"))
    }

    fn maybe_flag(&mut self, name: &'static str) -> Taken<Option<bool>> {
        match self.take(name)? {
            None => Ok(None),
            Some(Json::Flag(flag)) => Ok(Some(flag)),
            Some(_) => Err(wrong(name, "is neither true nor false")),
        }
    }

    fn maybe_list(&mut self, name: &'static str) -> Taken<Option<Vec<Json>>> {
        match self.take(name)? {
            None => Ok(None),
            Some(Json::List(list)) => Ok(Some(list)),
            Some(_) => Err(wrong(name, "is no list")),
        }
    }

    fn texts(&mut self, name: &'static str) -> Taken<Vec<String>> {
        must(name, self.maybe_texts(name))
    }

    fn maybe_texts(&mut self, name: &'static str) -> Taken<Option<Vec<String>>> {
        let Some(list) = self.maybe_list(name)? else {
            return Ok(None);
        };
        let text = |json| match json {
            Json::Text(text) => Ok(text),
            _ => Err(wrong(name, "holds what is no text")),
        };
        list.into_iter().map(text).collect::<Taken<_>>().map(Some)
    }

    fn maybe<T: Part>(&mut self, name: &'static str) -> Taken<Option<T>> {
        self.take(name)?
            .map(|json| T::read(Fields::of(json, name)?))
            .transpose()
    }

    fn all<T: Part>(&mut self, name: &'static str) -> Taken<Option<Vec<T>>> {
        let Some(list) = self.maybe_list(name)? else {
            return Ok(None);
        };
        list.into_iter()
            .map(|json| T::read(Fields::of(json, name)?))
            .collect::<Taken<Vec<T>>>()
            .map(Some)
    }
}

fn wrong(name: &'static str, what: &'static str) -> WrongField {
    WrongField { name, what }
}

fn must<T>(name: &'static str, taken: Taken<Option<T>>) -> Taken<T> {
    taken?.ok_or_else(|| wrong(name, "is missing"))
}

/// A struct of the manifest, made of an object's fields.
pub(super) trait Part: Sized {
    /// Takes its fields; others may stay.
    fn read(fields: Fields) -> Taken<Self>;
}

/// Lets serde read it, for what was saved of a torn manifest.
macro_rules! readable {
    ($($part:ty),*) => {$(
        impl<'de> Deserialize<'de> for $part {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let json = Json::deserialize(from)?;
                Fields::of(json, stringify!($part))
                    .and_then(Self::read)
                    .map_err(Error::custom)
            }
        }
    )*};
}

readable!(Device, Image, LayoutEntry, Origin);

impl Part for Manifest {
    fn read(mut fields: Fields) -> Taken<Self> {
        Ok(Self {
            format: fields.text("format")?,
            format_version: fields.text("format_version")?,
            tool: fields.text("tool")?,
            created_utc: fields.text("created_utc")?,
            device: must("device", fields.maybe("device"))?,
            layout: must("layout", fields.all("layout"))?,
            images: must("images", fields.all("images"))?,
            folder_created: fields.maybe_flag("folder_created")?.unwrap_or_default(),
            origin: fields.maybe("origin")?,
            rebuilt: fields.maybe("rebuilt")?,
        })
    }
}

impl Part for Rebuilt {
    fn read(mut fields: Fields) -> Taken<Self> {
        Ok(Self {
            rebuilt_utc: fields.text("rebuilt_utc")?,
            made_from: fields.texts("made_from")?,
            proven: fields.texts("proven")?,
            not_proven: fields.texts("not_proven")?,
        })
    }
}

impl Part for Origin {
    fn read(mut fields: Fields) -> Taken<Self> {
        let number = |json| match json {
            Json::Number(number) => u32::try_from(number).ok(),
            _ => None,
        };
        let changed = fields.maybe_list("changed_while_read")?;
        Ok(Self {
            captured_by: fields.text("captured_by")?,
            layout_from: fields.text("layout_from")?,
            proven: fields.texts("proven")?,
            not_proven: fields.texts("not_proven")?,
            changed_while_read: changed
                .unwrap_or_default()
                .into_iter()
                .map(number)
                .collect::<Option<_>>()
                .ok_or_else(|| wrong("changed_while_read", "holds what is no number"))?,
        })
    }
}

impl Part for Device {
    fn read(mut fields: Fields) -> Taken<Self> {
        Ok(Self {
            description: fields.text("description")?,
            identity: fields.maybe("identity")?,
        })
    }
}

impl Part for Identity {
    fn read(mut fields: Fields) -> Taken<Self> {
        Ok(Self {
            partition: fields.text("partition")?,
            sha256: fields.text("sha256")?,
        })
    }
}

impl Part for LayoutEntry {
    fn read(mut fields: Fields) -> Taken<Self> {
        Ok(Self {
            mtd: must("mtd", fields.maybe_short("mtd"))?,
            name: fields.text("name")?,
            size_bytes: fields.number("size_bytes")?,
            erase_block_bytes: fields.number("erase_block_bytes")?,
            offset_bytes: fields.maybe_number("offset_bytes")?,
            offset_source: fields.maybe_text("offset_source")?,
            contradictions: fields.maybe_texts("contradictions")?.unwrap_or_default(),
            chip: fields.maybe_short("chip")?,
            chip_bytes: fields.maybe_number("chip_bytes")?,
            parent: fields.maybe_short("parent")?,
            writeable: fields.maybe_flag("writeable")?,
            left_out: fields.maybe("left_out")?,
        })
    }
}

impl Part for LeftOut {
    fn read(mut fields: Fields) -> Taken<Self> {
        Ok(Self {
            by_choice: must("by_choice", fields.maybe_flag("by_choice"))?,
            reason: fields.text("reason")?,
        })
    }
}

impl Part for Image {
    fn read(mut fields: Fields) -> Taken<Self> {
        Ok(Self {
            mtd: must("mtd", fields.maybe_short("mtd"))?,
            name: fields.text("name")?,
            file: fields.text("file")?,
            size_bytes: fields.number("size_bytes")?,
            erase_block_bytes: fields.number("erase_block_bytes")?,
            crc32: fields.maybe_text("crc32")?,
            sha256: fields.maybe_text("sha256")?,
            unreadable: fields.all("unreadable")?.unwrap_or_default(),
            second_reading: fields.maybe("second_reading")?,
            doubt: fields.maybe_text("doubt")?,
            blank: fields.maybe("blank")?,
        })
    }
}

impl Part for Blank {
    fn read(mut fields: Fields) -> Taken<Self> {
        let byte = u8::try_from(fields.number("byte")?);
        Ok(Self {
            byte: byte.map_err(|_| wrong("byte", "is none"))?,
            offset_bytes: fields.number("offset_bytes")?,
            length_bytes: fields.number("length_bytes")?,
        })
    }
}

impl Part for Unreadable {
    fn read(mut fields: Fields) -> Taken<Self> {
        Ok(Self {
            offset_bytes: fields.number("offset_bytes")?,
            length_bytes: fields.number("length_bytes")?,
            reason: fields.text("reason")?,
        })
    }
}

impl Part for SecondReading {
    fn read(mut fields: Fields) -> Taken<Self> {
        Ok(Self {
            same: must("same", fields.maybe_flag("same"))?,
            first_difference_bytes: fields.maybe_number("first_difference_bytes")?,
        })
    }
}

#[cfg(test)]
mod tests;
