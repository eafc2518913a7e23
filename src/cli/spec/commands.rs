//! The commands, with their options, help and examples.

use super::{CommandSpec, OperandSpec, OptionSpec, Takes, option, short};

const FOLDER: OperandSpec = OperandSpec {
    name: "DIR",
    help: "The backup's folder",
    required: true,
    rest: false,
};

const PLAIN: CommandSpec = CommandSpec {
    name: "",
    about: "",
    operand: None,
    options: &[],
    details: "",
    examples: &[],
    full_only: false,
};

const SANDBOX: &[OptionSpec] = &[
    option(
        "map",
        Takes::Values("INSIDE=DIR"),
        "Show the folder DIR as INSIDE; may be repeated [default: /var/wwwroot, a temporary one]",
    ),
    option(
        "keep",
        Takes::Nothing,
        "Keep the temporary /var/wwwroot, and say where it is",
    ),
    option(
        "save",
        Takes::Value("FILE"),
        "Write the chip's contents to this new file in the end",
    ),
    option(
        "with-node",
        Takes::Values("NODE"),
        "Add a node that the device lacks, such as mtd10; may be repeated",
    ),
    option("read-only", Takes::Nothing, "Open no node for writing"),
    option(
        "stats",
        Takes::Nothing,
        "Count what reaches the flash, and print it in the end (slower reads)",
    ),
    option(
        "trace",
        Takes::Nothing,
        "Print each intercepted call with its answer (slower reads)",
    ),
    option(
        "kernel",
        Takes::Value("VERSION"),
        "Answer ENOSYS to system calls that came after this kernel, such as 2.6.24",
    ),
];

/// All commands.
pub(crate) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "list",
        about: "List the device's partitions, and what is odd about them",
        examples: &[
            "mtdkeep list",
            "mtdkeep list --json",
            "mtdkeep --simulate list",
        ],
        ..PLAIN
    },
    CommandSpec {
        name: "backup",
        about: "Back up all partitions, or some, into a folder",
        options: &[
            short(
                'o',
                option(
                    "output",
                    Takes::Value("DIR"),
                    "The folder [default: /var/wwwroot/mtd_backup on a real device, else mtd_backup]",
                ),
            ),
            short(
                'p',
                option(
                    "partition",
                    Takes::Values("NAME"),
                    "Only this partition, by name or as mtdN; may be repeated",
                ),
            ),
            option(
                "read-again",
                Takes::Nothing,
                "Read the flash a second time and compare",
            ),
            option(
                "digest",
                Takes::Value("WHICH"),
                "both, crc32 or sha256; on a slow device, crc32 halves the time [default: both]",
            ),
        ],
        details: "\
Flash is only read. Each image gets its name when all of it is stored; the
manifest comes last. A backup that was cut off is completed by the same command.
An erase block that cannot be read is named, stands as 0xFF in its image, and
makes the backup partial. CRC-32 finds accidents; only SHA-256, and the file
SHA256SUMS that comes with it, finds what somebody changed on purpose.
",
        examples: &[
            "mtdkeep backup",
            "mtdkeep backup --output /mnt/usb/ispot --read-again",
            "mtdkeep backup --output keep --partition param --partition mtd10",
            "mtdkeep backup --simulate --output ispot-backup",
            "mtdkeep backup --image flash.bin --output from-image",
        ],
        ..PLAIN
    },
    CommandSpec {
        name: "verify",
        about: "Check a backup: files, manifest, SHA256SUMS, and the flash if wanted",
        operand: Some(FOLDER),
        options: &[option(
            "device",
            Takes::Nothing,
            "Compare with the flash as well",
        )],
        examples: &[
            "mtdkeep verify ispot-backup",
            "mtdkeep verify --device /var/wwwroot/mtd_backup",
            "mtdkeep verify --simulate --device ispot-backup",
        ],
        ..PLAIN
    },
    CommandSpec {
        name: "clean",
        about: "Remove a backup's files, and nothing else",
        operand: Some(FOLDER),
        options: &[option(
            "dry-run",
            Takes::Nothing,
            "Only list what would be removed, with sizes",
        )],
        details: "\
Removes exactly what a backup made, also one of `mtdkeep script` or of the
well-known shell script (mtdN.bin and its index.html). A folder with anything else in it is refused, and
then nothing is removed; but what operating systems leave in folders (.DS_Store,
Thumbs.db, lost+found) stays, and the folder with it.
",
        examples: &[
            "mtdkeep clean --dry-run /var/wwwroot/mtd_backup",
            "mtdkeep clean /var/wwwroot/mtd_backup",
        ],
        ..PLAIN
    },
    CommandSpec {
        name: "nodes",
        about: "Tell which device nodes are missing, and make them if wanted",
        options: &[option(
            "create",
            Takes::Nothing,
            "Make the missing nodes (needs root)",
        )],
        examples: &["mtdkeep nodes", "mtdkeep nodes --create"],
        ..PLAIN
    },
    CommandSpec {
        name: "image",
        about: "Write the whole chip of a simulated device to one file",
        options: &[short(
            'o',
            option(
                "output",
                Takes::Value("FILE"),
                "The file; must not be there yet",
            ),
        )],
        examples: &[
            "mtdkeep image --simulate --output flash.bin",
            "mtdkeep image --simulate --seed 7 --output flash-7.bin",
        ],
        full_only: true,
        ..PLAIN
    },
    CommandSpec {
        name: "sandbox",
        about: "Run a program against a simulated device, unchanged and unprivileged",
        operand: Some(OperandSpec {
            name: "PROGRAM",
            help: "The program, with its arguments behind it",
            required: true,
            rest: true,
        }),
        options: SANDBOX,
        details: "\
The program sees /proc/mtd, /dev/mtdN, /dev/mtdNro, /dev/mtdblockN and
/sys/class/mtd of the simulated device, with Linux MTD's behaviour behind them,
and a folder /var/wwwroot. It is a test bench: a hostile program is not
contained. The exit status is the program's own, also when a signal ended it;
125: the sandbox could not be set up; 126: the program could not be run;
127: it was not found.
",
        examples: &[
            "mtdkeep sandbox -- sh -c 'ls -l /dev/mtd*; cat /proc/mtd'",
            "mtdkeep sandbox --map /var/wwwroot=out -- bash mtd_backup.sh",
            "mtdkeep sandbox --image flash.bin --save after.bin -- flash_erase /dev/mtd7 0 0",
            "mtdkeep sandbox --kernel 2.6.24 --stats -- qemu-arm-static ./program",
        ],
        full_only: true,
    },
    CommandSpec {
        name: "script",
        about: "Print a shell script that captures the flash on a device without mtdkeep",
        options: &[
            option(
                "output-dir",
                Takes::Value("DIR"),
                "The folder on the device [default: /var/wwwroot/mtd_backup]",
            ),
            short(
                'p',
                option(
                    "partition",
                    Takes::Values("NAME"),
                    "Only this partition, by name or as mtdN; may be repeated",
                ),
            ),
            option(
                "read-again",
                Takes::Nothing,
                "Read the flash a second time and compare, where the device has md5sum",
            ),
        ],
        details: "\
For BusyBox of 2008 and any POSIX shell; needs dd, ls, df, mkdir, mv and rm, and
uses md5sum and mknod where they are there. The script only reads flash, stores
nothing over an existing backup, removes what it made when it fails, and prints
what to do next. `mtdkeep import` makes a backup of its files.
",
        examples: &[
            "mtdkeep script > capture.sh",
            "mtdkeep script --output-dir /tmp/flash --partition param --partition mtd10",
        ],
        full_only: true,
        ..PLAIN
    },
    CommandSpec {
        name: "import",
        about: "Make a verified backup of what a shell script captured",
        operand: Some(OperandSpec {
            name: "DIR",
            help: "The folder with the captured files (mtdN.bin); it is not changed",
            required: true,
            rest: false,
        }),
        options: &[
            option(
                "layout",
                Takes::Value("FILE"),
                "The text of the device's /proc/mtd, where the capture has none",
            ),
            short(
                'o',
                option(
                    "output",
                    Takes::Value("DIR"),
                    "The backup's folder [default: DIR-imported, beside the captured one]",
                ),
            ),
        ],
        details: "\
Takes captures of `mtdkeep script` and of the well-known shell script (mtdN.bin
and index.html; where nothing tells a layout, the Clear iSpot's is assumed if
every file has exactly its size there). Sizes, digests and contents are compared;
what could not be proven is told, and stands in the manifest.
",
        examples: &[
            "mtdkeep import mtd_backup",
            "mtdkeep import mtd_backup --layout proc_mtd.txt --output ispot-backup",
        ],
        full_only: true,
    },
    CommandSpec {
        name: "completions",
        about: "Print completions for a shell",
        operand: Some(OperandSpec {
            name: "SHELL",
            help: "bash, zsh, fish, elvish or powershell",
            required: true,
            rest: false,
        }),
        examples: &["mtdkeep completions bash > /etc/bash_completion.d/mtdkeep"],
        full_only: true,
        ..PLAIN
    },
    CommandSpec {
        name: "man",
        about: "Print the manual page of the program or of one command",
        operand: Some(OperandSpec {
            name: "COMMAND",
            help: "The command; without it, the program's page",
            required: false,
            rest: false,
        }),
        examples: &[
            "mtdkeep man > mtdkeep.1",
            "mtdkeep man backup > mtdkeep-backup.1",
        ],
        full_only: true,
        ..PLAIN
    },
];
