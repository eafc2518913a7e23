//! C structures that are made of zeros, filled by the kernel, and copied as bytes.

/// A structure that is nothing but its numbers.
///
/// # Safety
/// Every pattern of bits is a value of it, and none of its bytes is padding: what
/// lies between two fields is itself a field.
pub(in crate::sandbox) unsafe trait Plain: Copy {
    /// One in which all is zero.
    fn zero() -> Self {
        // SAFETY: every pattern of bits is a value.
        unsafe { std::mem::zeroed() }
    }

    /// Its bytes, in the machine's order.
    fn bytes(&self) -> &[u8] {
        let start = std::ptr::from_ref(self).cast();
        // SAFETY: a reference covers that many bytes, none of which is padding.
        unsafe { std::slice::from_raw_parts(start, size_of::<Self>()) }
    }
}

/// Has the compiler compare a structure with the sum of its fields, as the kernel's
/// headers give them: what is larger has padding.
macro_rules! plain {
    ($($structure:ty: $bytes:expr;)*) => { $(
        const _: () = assert!(size_of::<$structure>() == $bytes);
        // SAFETY: a structure of numbers, as large as its fields together.
        unsafe impl Plain for $structure {}
    )* };
}

/// `struct stat`: three, or two, words of 4 bytes with one more to fill them up.
const STAT_BYTES: usize = match cfg!(target_arch = "x86_64") {
    // arch/x86/include/uapi/asm/stat.h: 3 × 8, 4 × 4, 4 × 8, 6 × 8, 3 × 8
    true => 3 * 8 + 4 * 4 + 4 * 8 + 6 * 8 + 3 * 8,
    // include/uapi/asm-generic/stat.h: 2 × 8, 4 × 4, 3 × 8, 2 × 4, 8, 6 × 8, 2 × 4
    false => 2 * 8 + 4 * 4 + 3 * 8 + 2 * 4 + 8 + 6 * 8 + 2 * 4,
};

plain! {
    libc::stat: STAT_BYTES;
    // include/uapi/linux/stat.h: filled up to 256 by its own last field.
    libc::statx: 256;
    // include/uapi/asm-generic/statfs.h: 7 words, two halves, 2 words, 4 spare ones.
    libc::statfs: 7 * 8 + 2 * 4 + 3 * 8 + 4 * 8;
    // include/uapi/linux/utsname.h: six texts.
    libc::utsname: 6 * 65;
}

#[cfg(test)]
mod tests {
    use super::Plain;

    #[test]
    fn bytes_are_the_fields_in_their_order() {
        let mut about = libc::stat::zero();
        assert!(about.bytes().iter().all(|&byte| byte == 0));
        about.st_dev = 0x0102_0304_0506_0708;
        assert_eq!(about.bytes()[..8], about.st_dev.to_ne_bytes());
        assert_eq!(about.bytes().len(), size_of::<libc::stat>());
    }
}
