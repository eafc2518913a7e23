//! The calls on one path that the probe makes, with the flags of each. Every one
//! takes the address of a path and gives a number, an error as a negative one.

/// A call and its name.
pub type Call = (String, Box<dyn Fn(i64) -> i64>);

pub const HERE: i64 = libc::AT_FDCWD as i64;

/// The kernel's answer: a number, or the error's name.
pub fn call(number: libc::c_long, args: [i64; 5]) -> i64 {
    // SAFETY: addresses among the arguments are those of locals that live on.
    let answer =
        unsafe { libc::syscall(number, args[0], args[1], args[2], args[3], args[4]) } as i64;
    match answer {
        -1 => -i64::from(std::io::Error::last_os_error().raw_os_error().unwrap_or(0)),
        answer => answer,
    }
}

type Look = (&'static str, fn(i64) -> i64);

fn stat(flags: i32) -> impl Fn(i64) -> i64 {
    move |path| {
        // SAFETY: all-zero is a valid value of this plain structure.
        let mut about: libc::stat = unsafe { std::mem::zeroed() };
        let buffer = std::ptr::from_mut(&mut about) as i64;
        match call(
            libc::SYS_newfstatat,
            [HERE, path, buffer, i64::from(flags), 0],
        ) {
            0 => i64::from(about.st_mode) * 100 + about.st_nlink as i64,
            error => error,
        }
    }
}

fn statx(flags: i64, mask: i64) -> i64 {
    // For the calls below: the path is put in by `looks`.
    flags << 32 | mask
}

/// open, and what the descriptor is.
fn open(path: i64, flags: i64) -> i64 {
    let fd = call(
        libc::SYS_openat,
        [HERE, path, flags | i64::from(libc::O_NONBLOCK), 0o640, 0],
    );
    described(fd)
}

fn described(fd: i64) -> i64 {
    if fd < 0 {
        return fd;
    }
    // SAFETY: all-zero is a valid value of this plain structure.
    let mut about: libc::stat = unsafe { std::mem::zeroed() };
    call(
        libc::SYS_fstat,
        [fd, std::ptr::from_mut(&mut about) as i64, 0, 0, 0],
    );
    // A node's descriptor does not tell of O_NOFOLLOW.
    let flags = call(libc::SYS_fcntl, [fd, i64::from(libc::F_GETFL), 0, 0, 0]);
    let flags = flags & !i64::from(libc::O_NOFOLLOW);
    call(libc::SYS_close, [fd, 0, 0, 0, 0]);
    i64::from(about.st_mode) << 32 | flags
}

fn openat2(path: i64, how: [u64; 4], size: i64) -> i64 {
    described(call(
        libc::SYS_openat2,
        [HERE, path, how.as_ptr() as i64, size, 0],
    ))
}

/// Calls that change nothing.
pub fn looks() -> Vec<Call> {
    let mut looks = questions();
    looks.extend(simple_questions());
    looks.extend(opens());
    looks.extend(opens_with_bounds());
    looks
}

fn questions() -> Vec<Call> {
    let mut looks: Vec<Call> = Vec::new();
    let mut put = |name: String, look: Box<dyn Fn(i64) -> i64>| looks.push((name, look));
    for flags in [0, 0x100, 0x1000, 0x800, 0x1100, 0x2000, 0x8000, 4] {
        put(format!("fstatat {flags:#x}"), Box::new(stat(flags)));
    }
    for asked in [
        statx(0, 0x7ff),
        statx(0x100, 0x7ff),
        statx(0x2000, 1),
        statx(0x6000, 1),
        statx(0x8000, 1),
        statx(0, 1 << 31),
    ] {
        put(
            format!("statx {asked:#x}"),
            Box::new(move |path| {
                let mut buffer = [0u8; 256];
                let (flags, mask) = (asked >> 32, asked & 0xffff_ffff);
                call(
                    libc::SYS_statx,
                    [HERE, path, flags, mask, buffer.as_mut_ptr() as i64],
                )
            }),
        );
    }
    for mode in [0, 1, 2, 4, 6, 7, 8, -1] {
        put(
            format!("faccessat {mode}"),
            Box::new(move |path| call(libc::SYS_faccessat, [HERE, path, mode, 0, 0])),
        );
    }
    for flags in [0x100, 0x200, 0x300, 0x1000, 0x800, 1] {
        put(
            format!("faccessat2 {flags:#x}"),
            Box::new(move |path| call(libc::SYS_faccessat2, [HERE, path, 4, flags, 0])),
        );
    }
    for size in [0, 3, 100, -1] {
        put(
            format!("readlink {size}"),
            Box::new(move |path| {
                let mut buffer = [0u8; 100];
                call(
                    libc::SYS_readlinkat,
                    [HERE, path, buffer.as_mut_ptr() as i64, size, 0],
                )
            }),
        );
    }
    looks
}

fn simple_questions() -> Vec<Call> {
    let simple: [Look; 6] = [
        ("statfs", |path| {
            let mut buffer = [0u64; 32];
            call(
                libc::SYS_statfs,
                [path, buffer.as_mut_ptr() as i64, 0, 0, 0],
            )
        }),
        ("getxattr", |path| {
            call(
                libc::SYS_getxattr,
                [path, c"user.x".as_ptr() as i64, 0, 0, 0],
            )
        }),
        ("lgetxattr", |path| {
            call(
                libc::SYS_lgetxattr,
                [path, c"user.x".as_ptr() as i64, 0, 0, 0],
            )
        }),
        ("listxattr", |path| {
            call(libc::SYS_listxattr, [path, 0, 0, 0, 0])
        }),
        ("llistxattr", |path| {
            call(libc::SYS_llistxattr, [path, 0, 0, 0, 0])
        }),
        ("execve", |path| {
            let list = [path, 0];
            call(libc::SYS_execve, [path, list.as_ptr() as i64, 0, 0, 0])
        }),
    ];
    let named = simple.into_iter();
    named
        .map(|(name, look)| (name.to_owned(), Box::new(look) as Box<dyn Fn(i64) -> i64>))
        .collect()
}

fn opens() -> Vec<Call> {
    let mut looks: Vec<Call> = Vec::new();
    let mut put = |name: String, look: Box<dyn Fn(i64) -> i64>| looks.push((name, look));
    for flags in [
        libc::O_RDONLY,
        libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NOFOLLOW,
        libc::O_DIRECTORY,
        libc::O_DIRECTORY | libc::O_NOFOLLOW,
        libc::O_PATH,
        libc::O_PATH | libc::O_NOFOLLOW,
        libc::O_PATH | libc::O_DIRECTORY,
        libc::O_PATH | libc::O_CREAT,
        libc::O_CREAT | libc::O_DIRECTORY,
        libc::O_TMPFILE,
        libc::O_RDWR | libc::O_TMPFILE,
    ] {
        put(
            format!("open {flags:#o}"),
            Box::new(move |path| open(path, i64::from(flags))),
        );
    }
    looks
}

fn opens_with_bounds() -> Vec<Call> {
    let mut looks: Vec<Call> = Vec::new();
    let mut put = |name: String, look: Box<dyn Fn(i64) -> i64>| looks.push((name, look));
    for (how, size) in [
        ([0, 0, 0, 0], 24),
        ([0, 0, 0, 0], 32),
        ([0, 0, 0, 1], 32),
        ([0, 0, 0, 0], 16),
        ([0, 0, 0, 0], 0),
        ([1 << 40, 0, 0, 0], 24),
        ([0, 0o600, 0, 0], 24),
        ([0, 0, 0x40, 0], 24),
        ([0, 0, libc::RESOLVE_NO_SYMLINKS, 0], 24),
        ([0, 0, libc::RESOLVE_NO_MAGICLINKS, 0], 24),
        ([0, 0, libc::RESOLVE_BENEATH | libc::RESOLVE_IN_ROOT, 0], 24),
    ] {
        put(
            format!("openat2 {how:?} {size}"),
            Box::new(move |path| {
                let mut how = how;
                how[0] |= libc::O_NONBLOCK as u64;
                openat2(path, how, size)
            }),
        );
    }
    looks
}

/// Calls that change something at one path.
pub fn changes() -> Vec<Call> {
    let mut changes: Vec<Call> = Vec::new();
    let mut put = |name: String, change: Box<dyn Fn(i64) -> i64>| changes.push((name, change));
    let fifo = i64::from(libc::S_IFIFO | 0o640);
    put(
        "mkfifo".into(),
        Box::new(move |path| call(libc::SYS_mknodat, [HERE, path, fifo, 0, 0])),
    );
    put(
        "mkdir".into(),
        Box::new(|path| call(libc::SYS_mkdirat, [HERE, path, 0o750, 0, 0])),
    );
    put(
        "symlink".into(),
        Box::new(|path| {
            call(
                libc::SYS_symlinkat,
                [c"file".as_ptr() as i64, HERE, path, 0, 0],
            )
        }),
    );
    for flags in [0, 0x200, 1] {
        put(
            format!("unlinkat {flags:#x}"),
            Box::new(move |path| call(libc::SYS_unlinkat, [HERE, path, flags, 0, 0])),
        );
    }
    put(
        "chmod".into(),
        Box::new(|path| call(libc::SYS_fchmodat, [HERE, path, 0o7641, 0, 0])),
    );
    for flags in [0, 0x100, 1] {
        put(
            format!("chown {flags:#x}"),
            Box::new(move |path| call(libc::SYS_fchownat, [HERE, path, -1, -1, flags])),
        );
    }
    for times in [
        [0, libc::UTIME_OMIT, 0, libc::UTIME_OMIT],
        [5, 0, 6, 1],
        [5, 2_000_000_000, 0, 0],
        [0, libc::UTIME_NOW, 0, -1],
    ] {
        put(
            format!("utimensat {times:?}"),
            Box::new(move |path| {
                call(
                    libc::SYS_utimensat,
                    [HERE, path, times.as_ptr() as i64, 0, 0],
                )
            }),
        );
    }
    for flags in [0, 0x100, 1] {
        put(
            format!("utimensat {flags:#x}"),
            Box::new(move |path| call(libc::SYS_utimensat, [HERE, path, 0, flags, 0])),
        );
    }
    changes.extend(changes_of_contents());
    changes
}

fn changes_of_contents() -> Vec<Call> {
    let mut changes: Vec<Call> = Vec::new();
    let mut put = |name: String, change: Box<dyn Fn(i64) -> i64>| changes.push((name, change));
    for length in [0, 100, -1] {
        put(
            format!("truncate {length}"),
            Box::new(move |path| call(libc::SYS_truncate, [path, length, 0, 0, 0])),
        );
    }
    for flags in [0, 1, 2, 3, 4] {
        put(
            format!("setxattr {flags}"),
            Box::new(move |path| {
                call(
                    libc::SYS_setxattr,
                    [
                        path,
                        c"user.x".as_ptr() as i64,
                        c"v".as_ptr() as i64,
                        1,
                        flags,
                    ],
                )
            }),
        );
    }
    put(
        "removexattr".into(),
        Box::new(|path| {
            call(
                libc::SYS_removexattr,
                [path, c"user.x".as_ptr() as i64, 0, 0, 0],
            )
        }),
    );
    for flags in [
        libc::O_CREAT | libc::O_RDWR,
        libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY,
        libc::O_CREAT | libc::O_NOFOLLOW | libc::O_RDWR,
    ] {
        put(
            format!("open {flags:#o}"),
            Box::new(move |path| open(path, i64::from(flags))),
        );
    }
    changes
}
