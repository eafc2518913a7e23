//! Answers as text: errno by name, bytes as runs.

use crate::Errno;

/// The name of an error number, such as `EINVAL`; `errno N` for a rare one.
pub fn errno_name(errno: Errno) -> String {
    let known = ERRNO_NAMES.iter().find(|(known, _)| *known == errno);
    match known {
        Some((_, name)) => (*name).into(),
        None => format!("errno {}", errno.raw_os_error()),
    }
}

const ERRNO_NAMES: &[(Errno, &str)] = &[
    (Errno::PERM, "EPERM"),
    (Errno::NOENT, "ENOENT"),
    (Errno::INTR, "EINTR"),
    (Errno::IO, "EIO"),
    (Errno::NXIO, "ENXIO"),
    (Errno::BADF, "EBADF"),
    (Errno::AGAIN, "EAGAIN"),
    (Errno::NOMEM, "ENOMEM"),
    (Errno::ACCESS, "EACCES"),
    (Errno::FAULT, "EFAULT"),
    (Errno::NOTBLK, "ENOTBLK"),
    (Errno::BUSY, "EBUSY"),
    (Errno::EXIST, "EEXIST"),
    (Errno::XDEV, "EXDEV"),
    (Errno::NODEV, "ENODEV"),
    (Errno::NOTDIR, "ENOTDIR"),
    (Errno::ISDIR, "EISDIR"),
    (Errno::INVAL, "EINVAL"),
    (Errno::NFILE, "ENFILE"),
    (Errno::MFILE, "EMFILE"),
    (Errno::NOTTY, "ENOTTY"),
    (Errno::FBIG, "EFBIG"),
    (Errno::NOSPC, "ENOSPC"),
    (Errno::SPIPE, "ESPIPE"),
    (Errno::ROFS, "EROFS"),
    (Errno::RANGE, "ERANGE"),
    (Errno::NAMETOOLONG, "ENAMETOOLONG"),
    (Errno::NOSYS, "ENOSYS"),
    (Errno::LOOP, "ELOOP"),
    (Errno::NODATA, "ENODATA"),
    (Errno::TIME, "ETIME"),
    (Errno::OVERFLOW, "EOVERFLOW"),
    (Errno::BADMSG, "EBADMSG"),
    (Errno::UCLEAN, "EUCLEAN"),
    (Errno::OPNOTSUPP, "EOPNOTSUPP"),
    (Errno::TIMEDOUT, "ETIMEDOUT"),
];

/// Bytes as runs, `ff*16 55*4`; more than eight runs as their CRC-32.
pub fn bytes(data: &[u8]) -> String {
    let mut runs: Vec<(u8, usize)> = Vec::new();
    for &byte in data {
        match runs.last_mut() {
            Some((last, length)) if *last == byte => *length += 1,
            _ => runs.push((byte, 1)),
        }
        if runs.len() > 8 {
            return format!("crc32 {:08x}", crc32fast::hash(data));
        }
    }
    let texts: Vec<String> = runs
        .iter()
        .map(|(byte, length)| match length {
            1 => format!("{byte:02x}"),
            _ => format!("{byte:02x}*{length}"),
        })
        .collect();
    match texts.is_empty() {
        true => "nothing".into(),
        false => texts.join(" "),
    }
}

/// An answer: what `show` makes of a result, or the error's name.
pub fn result<T>(result: Result<T, Errno>, show: impl FnOnce(T) -> String) -> String {
    match result {
        Ok(value) => show(value),
        Err(errno) => errno_name(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs() {
        assert_eq!(bytes(&[]), "nothing");
        assert_eq!(bytes(&[0xff; 16]), "ff*16");
        assert_eq!(bytes(&[0x55, 0x55, 0]), "55*2 00");
        let many: Vec<u8> = (0..20).collect();
        assert_eq!(
            bytes(&many),
            format!("crc32 {:08x}", crc32fast::hash(&many))
        );
    }

    #[test]
    fn names() {
        assert_eq!(errno_name(Errno::INVAL), "EINVAL");
        assert_eq!(errno_name(Errno::MLINK), "errno 31");
        assert_eq!(result(Ok(3), |n: i32| n.to_string()), "3");
        assert_eq!(
            result(Err::<i32, _>(Errno::ROFS), |n| n.to_string()),
            "EROFS"
        );
    }
}
