//! The verbs of the case language: each makes one call and tells its answer.

use super::expression::BadExpression;
use super::ioctls::Call;
use super::run::{Runner, text};
use super::{Argument, Fd, Memory, NodeKind, OpenRequest, Process, answer};
use crate::Errno;

type Answer = Result<String, BadExpression>;

fn no_such_call(words: &[&str]) -> Answer {
    Err(BadExpression(format!("no such call: {}", words.join(" "))))
}

fn ok(result: Result<(), Errno>) -> String {
    text(result, |()| "ok".into())
}

impl Runner<'_> {
    /// Makes the call that the words describe.
    pub(super) fn call(&mut self, words: &[String]) -> Answer {
        let owned: Vec<String> = words
            .iter()
            .map(|word| word.replace("$T", &self.roles.folder))
            .collect();
        let words: Vec<&str> = owned.iter().map(String::as_str).collect();
        match words[..] {
            ["open", name, path, flags] => Ok(self.open(name, path, flags)),
            ["mknod", path, kind, major, minor] => self.mknod(path, kind, major, minor),
            ["sync"] => {
                self.target.sync();
                Ok("done".into())
            }
            ["unlink", path] => Ok(ok(self.target.unlink(path))),
            ["text", path] => Ok(text(self.target.text(path), |text| format!("{text:?}"))),
            ["line", number, path] => self.line(number, path),
            ["stat" | "lstat" | "statx" | "access" | "names", ..] => self.on_path(&words),
            [verb, name, ..] => match self.handle(name) {
                Some(fd) => self.on_handle(verb, fd, &words),
                None => Ok("no handle".into()),
            },
            _ => no_such_call(&words),
        }
    }

    fn open(&mut self, name: &str, path: &str, flags: &str) -> String {
        let mut request = OpenRequest {
            read: false,
            write: false,
            flags: Vec::new(),
        };
        for flag in flags.split('|') {
            match flag {
                "RDONLY" => request.read = true,
                "WRONLY" => request.write = true,
                "RDWR" => (request.read, request.write) = (true, true),
                other => request.flags.push(other.into()),
            }
        }
        if let Some(old) = self.handles.remove(name) {
            let _ = self.target.close(old);
        }
        text(self.target.open(path, &request), |fd| {
            self.handles.insert(name.into(), fd);
            "ok".into()
        })
    }

    fn mknod(&mut self, path: &str, kind: &str, major: &str, minor: &str) -> Answer {
        let kind = match kind {
            "c" => NodeKind::Character,
            "b" => NodeKind::Block,
            _ => return Err(BadExpression(kind.into())),
        };
        let (major, minor) = (self.names.narrow(major)?, self.names.narrow(minor)?);
        Ok(ok(self.target.mknod(path, kind, major, minor)))
    }

    fn line(&mut self, number: &str, path: &str) -> Answer {
        let number = self.names.length(number)?;
        Ok(text(self.target.text(path), |text| {
            match text.split_inclusive('\n').nth(number) {
                Some(line) => format!("{line:?}"),
                None => "no such line".into(),
            }
        }))
    }

    fn on_handle(&mut self, verb: &str, fd: Fd, words: &[&str]) -> Answer {
        match words[2..] {
            [] if verb == "close" => {
                self.handles.remove(words[1]);
                Ok(ok(self.target.close(fd)))
            }
            [] if verb == "fsync" => Ok(ok(self.target.fsync(fd))),
            [] if verb == "fdatasync" => Ok(ok(self.target.fdatasync(fd))),
            [] if verb == "fstat" => Ok(text(self.target.fstat(fd), |look| look.to_string())),
            [length] if verb == "ftruncate" => {
                let length = self.names.offset(length)?;
                Ok(ok(self.target.ftruncate(fd, length)))
            }
            [mode, offset, length] if verb == "fallocate" => {
                let mode = self.names.narrow(mode)?;
                let (offset, length) = (self.names.offset(offset)?, self.names.offset(length)?);
                Ok(ok(self.target.fallocate(fd, mode, offset, length)))
            }
            [length, ref show @ ..] if verb == "read" => self.read(fd, length, None, show),
            [length, offset, ref show @ ..] if verb == "pread" => {
                self.read(fd, length, Some(offset), show)
            }
            [data] if verb == "write" => self.write(fd, data, None),
            [data, offset] if verb == "pwrite" => self.write(fd, data, Some(offset)),
            [whence, offset] if verb == "seek" => self.seek(fd, whence, offset),
            [name, ref arguments @ ..] if verb == "ioctl" => self.ioctl(fd, name, arguments),
            _ => self.by_process(verb, fd, words),
        }
    }

    fn read(&mut self, fd: Fd, length: &str, offset: Option<&str>, show: &[&str]) -> Answer {
        let offset = offset.map(|text| self.names.offset(text)).transpose()?;
        // `null:16`, `bad:16`: memory that is not there.
        if let Some((memory, length)) = memory(length) {
            let length = self.names.length(length)?;
            let Some(process) = self.target.process() else {
                return Ok("needs a real process".into());
            };
            let result = process.read_into(fd, memory, length, offset);
            return Ok(text(result, |count| count.to_string()));
        }
        let mut buf = vec![0xee; self.names.buffer_length(length)?];
        let result = self.target.read(fd, &mut buf, offset);
        match result {
            Ok(count) => self.show(&buf[..count.min(buf.len())], count, show),
            Err(errno) => Ok(answer::errno_name(errno)),
        }
    }

    /// A count, and what was asked to be shown of the bytes: `hex`, or
    /// `same@PATH@OFFSET` against a node remembered before.
    fn show(&self, data: &[u8], count: usize, show: &[&str]) -> Answer {
        match show {
            [] => Ok(count.to_string()),
            ["hex"] => Ok(format!("{count}: {}", answer::bytes(data))),
            [same] => {
                let bad = || BadExpression((*same).into());
                let mut parts = same.strip_prefix("same@").ok_or_else(bad)?.split('@');
                let first = parts.next().and_then(|path| self.remembered.get(path));
                let first = first.ok_or_else(bad)?;
                let start = self.names.length(parts.next().ok_or_else(bad)?)?;
                let there = first.get(start..).unwrap_or(&[]);
                let verdict = match there.starts_with(data) {
                    true => "the same",
                    false => "not the same",
                };
                Ok(format!("{count}: {verdict}"))
            }
            _ => Err(BadExpression(show.join(" "))),
        }
    }

    fn write(&mut self, fd: Fd, data: &str, offset: Option<&str>) -> Answer {
        let offset = offset.map(|text| self.names.offset(text)).transpose()?;
        let result = match memory(data) {
            Some((memory, length)) => {
                let length = self.names.length(length)?;
                let Some(process) = self.target.process() else {
                    return Ok("needs a real process".into());
                };
                process.write_from(fd, memory, length, offset)
            }
            None => {
                let data = self.names.bytes(data)?;
                self.target.write(fd, &data, offset)
            }
        };
        Ok(text(result, |count| count.to_string()))
    }

    fn seek(&mut self, fd: Fd, whence: &str, offset: &str) -> Answer {
        let whence = match whence {
            "set" => 0,
            "cur" => 1,
            "end" => 2,
            "data" => 3,
            "hole" => 4,
            number => self.names.narrow(number)?,
        };
        let result = self.target.seek(fd, whence, self.names.offset(offset)?);
        Ok(text(result, |position| format!("{position:#x}")))
    }

    fn ioctl(&mut self, fd: Fd, name: &str, arguments: &[&str]) -> Answer {
        let unknown = || BadExpression(name.into());
        let mut call = Call::new(name, self.target.pointer_bytes()).ok_or_else(unknown)?;
        let command = call.command();
        let mut structured = false;
        let result = match arguments {
            ["null"] => self.target.ioctl(fd, command, Argument::Number(0)),
            ["bad"] => self.target.ioctl(fd, command, Argument::Bad),
            [number] if number.starts_with('=') => {
                let number = self.names.bits(&number[1..])?;
                self.target.ioctl(fd, command, Argument::Number(number))
            }
            fields => {
                for field in fields {
                    call.set(field, &self.names)?;
                }
                structured = true;
                let argument = Argument::Struct(&mut call.memory);
                self.target.ioctl(fd, command, argument)
            }
        };
        let written = call.written(result.is_ok() && structured);
        Ok(match result {
            Ok(value) => format!("{value}{written}"),
            Err(errno) => answer::errno_name(errno) + &written,
        })
    }

    fn on_path(&mut self, words: &[&str]) -> Answer {
        let Some(process) = self.target.process() else {
            return Ok("needs a real process".into());
        };
        match *words {
            ["access", path, mode] => Ok(ok(process.access(path, mode))),
            ["names", path] => names(process, path, ""),
            ["names", path, prefix] => names(process, path, prefix),
            [call, path] => Ok(text(process.stat(call, path), |look| look.to_string())),
            _ => no_such_call(words),
        }
    }

    /// Calls with a handle that only a real process can make.
    fn by_process(&mut self, verb: &str, fd: Fd, words: &[&str]) -> Answer {
        let names = self.names;
        let Some(process) = self.target.process() else {
            return Ok("needs a real process".into());
        };
        let count = |count: usize| count.to_string();
        match (verb, &words[2..]) {
            ("dup", [new]) => {
                let result = process.dup(fd);
                Ok(text(result, |fd| {
                    self.handles.insert((*new).into(), fd);
                    "ok".into()
                }))
            }
            ("child-seek", [offset]) => Ok(ok(process.seek_in_child(fd, names.offset(offset)?))),
            ("readv", [lengths, offset @ ..]) => {
                let mut bufs = Vec::new();
                for length in lengths.split('/') {
                    bufs.push(vec![0xee; names.buffer_length(length)?]);
                }
                let offset = offset.first().map(|text| names.offset(text)).transpose()?;
                Ok(text(process.readv(fd, &mut bufs, offset), count))
            }
            ("writev", [pieces, offset @ ..]) => {
                let mut bufs = Vec::new();
                for piece in pieces.split('/') {
                    bufs.push(names.bytes(piece)?);
                }
                let offset = offset.first().map(|text| names.offset(text)).transpose()?;
                Ok(text(process.writev(fd, &bufs, offset), count))
            }
            ("mmap", [length, offset, access, sharing, show @ ..]) => {
                let (length, offset) = (names.buffer_length(length)?, names.offset(offset)?);
                let (write, shared) = (*access == "write", *sharing == "shared");
                match process.mmap(fd, length, offset, write, shared) {
                    Ok(bytes) => self.show(&bytes, bytes.len(), show),
                    Err(errno) => Ok(answer::errno_name(errno)),
                }
            }
            (_, numbers) => {
                let mut values = Vec::new();
                for number in numbers {
                    values.push(names.offset(number)?);
                }
                Ok(text(process.other(verb, fd, &values), |text| text))
            }
        }
    }
}

fn names(process: &mut dyn Process, path: &str, prefix: &str) -> Answer {
    Ok(text(process.names(path), |names| {
        let names = names.into_iter().filter(|name| name.starts_with(prefix));
        names.collect::<Vec<_>>().join(" ")
    }))
}

fn memory(text: &str) -> Option<(Memory, &str)> {
    let (kind, length) = text.split_once(':')?;
    let memory = match kind {
        "null" => Memory::Null,
        "bad" => Memory::Bad,
        "short" => Memory::Short,
        _ => return None,
    };
    Some((memory, length))
}
