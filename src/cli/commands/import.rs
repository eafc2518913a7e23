//! `mtdkeep import`.

use crate::backup::{Directory as _, Folder, Summary};
use crate::capture::{Capture, ImportRequest, OobPages, import, inspect};
use crate::cli::Exit;
use crate::cli::common::new_backup::NewBackup;
use crate::cli::common::{folder, layout, signals, stream};
use crate::cli::error::{CliError, UsageError};
use crate::cli::given::Given;
use crate::cli::output::Output;
use crate::cli::progress::Lines;
use crate::cli::spec::{
    CommandSpec, Job, OperandSpec, OptionSpec, RESULT, Takes, VERBOSE, option, short,
};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

mod tar;

pub(crate) const SPEC: CommandSpec = CommandSpec {
    operand: Some(OperandSpec {
        name: "DIR",
        help: "The folder with the files of the partitions, or a backup's tar, or - for a tar",
        required: true,
        rest: false,
    }),
    options: &[OPTIONS, &[VERBOSE], RESULT],
    details: "\
Takes captures of `mtdkeep script`, of the well-known shell script, and files
as people name them: mtd0.bin, mtdblock0.img, mtd0_u-boot.bin, u-boot.bin,
*.gz, logs of U-Boot's md.b. Name and size tell which partition a file is;
where they do not, it is asked for. Digests of any kind beside them are
compared (MD5SUMS, *.sha256, ...), and so are sizes and contents. Where nothing
tells a layout, the Clear iSpot's is assumed if every file has exactly its size
there. What could not be proven is told, and stands in the manifest. A tar of
`backup --output -`, or of `serve`, becomes the backup that it holds, exact to
the byte, if every image in it is what its manifest says; that of a script with
--stream is a capture like a folder.
",
    examples: &[
        "mtdkeep import mtd_backup",
        "mtdkeep import mtd_backup --layout proc_mtd.txt --output ispot-backup",
        "mtdkeep import dumps --layout boot.log --map flash1.bin=mtd3",
        "mtdkeep import round1 --also round2",
        "ssh root@192.168.1.1 mtdkeep backup -o - | mtdkeep import - --output router",
    ],
    ..CommandSpec::new(
        "import",
        "Make a verified backup of what a shell script captured",
        parse,
    )
};

const OPTIONS: &[OptionSpec] = &[
    option(
        "layout",
        Takes::Value("FILE"),
        "The device's /proc/mtd, boot log, mtdparts=, ..., where the capture has none",
    ),
    option(
        "map",
        Takes::Values("FILE=MTD"),
        "Which partition a file is (mtdN or its name); may be repeated",
    ),
    option(
        "also",
        Takes::Values("DIR"),
        "A further folder of the same capture, made in rounds; may be repeated",
    ),
    option(
        "undo-crlf",
        Takes::Nothing,
        "Undo what text mode did to a file, where it fits to the byte so",
    ),
    option(
        "omit-oob",
        Takes::Value("PAGE+OOB"),
        "Leave NAND's out-of-band bytes out where they are in a file, such as 2048+64",
    ),
    short(
        'o',
        option(
            "output",
            Takes::Value("DIR"),
            "The backup's folder [default: DIR-imported, beside the captured one]",
        ),
    ),
];

struct Args {
    /// The folders with the captured files.
    captured: Vec<PathBuf>,
    /// A file with the text of the device's `/proc/mtd`.
    layout: Option<PathBuf>,
    /// File and partition.
    maps: Vec<(String, String)>,
    /// Take text mode's 0d away.
    undo_crlf: bool,
    /// Leave what lies behind such pages out.
    omit_oob: Option<OobPages>,
    /// The backup's folder.
    target: PathBuf,
    /// Whole digests in the lines.
    verbose: bool,
}

fn parse(given: &mut Given) -> Result<Job, UsageError> {
    let mut captured = vec![given.operand_path()];
    while let Some(more) = given.path("also") {
        captured.push(more);
    }
    let maps = given.texts("map")?;
    let args = Args {
        layout: given.path("layout"),
        target: match given.path("output") {
            Some(target) => target,
            None => beside(&captured[0])?,
        },
        captured,
        maps: maps.iter().map(|map| pair(map)).collect::<Result<_, _>>()?,
        undo_crlf: given.flag("undo-crlf"),
        omit_oob: match given.text("omit-oob")? {
            Some(pages) => Some(
                pages
                    .parse()
                    .map_err(|error| UsageError(format!("--omit-oob: {error}")))?,
            ),
            None => None,
        },
        verbose: given.flag("verbose"),
    };
    Ok(Box::new(move |output| run(&args, output)))
}

/// `FILE=MTD`; a file's name may have such a sign in it, a partition's rarely.
fn pair(map: &str) -> Result<(String, String), UsageError> {
    match map.rsplit_once('=') {
        Some((file, partition)) if !file.is_empty() && !partition.is_empty() => {
            Ok((file.to_owned(), partition.to_owned()))
        }
        _ => Err(UsageError(format!(
            "--map takes FILE=mtdN, such as boot.bin=mtd0, not {map:?}"
        ))),
    }
}

fn run(args: &Args, output: &Output) -> Result<Exit, CliError> {
    let interrupt = signals::interrupt_flag()?;
    let around = match args.target.parent() {
        Some(around) if around != Path::new("") && around.is_dir() => around,
        _ => Path::new("."),
    };
    let mut captured = args.captured.clone();
    // What lies in a capture's tar, until it is a backup.
    let unpacked;
    if let Some(archive) = stream::archive(&args.captured[0], around, interrupt)? {
        if !archive.is_capture() {
            return tar::run(&archive, args, interrupt, output);
        }
        unpacked = tar::unpack(&archive, around)?;
        captured[0] = unpacked.path().to_owned();
    }
    let layout = args.layout.as_deref().map(layout::read).transpose()?;
    if let Some((name, text)) = &layout {
        let reading = layout::understand(name, text)?;
        for note in layout::remarks(name, &reading) {
            output.warn(&note);
        }
    }
    let layout = layout
        .as_ref()
        .map(|(name, text)| (name.as_str(), text.as_slice()));
    // Everything is looked at before the folder is made: what is wrong leaves
    // nothing.
    let request = ImportRequest {
        folders: &captured,
        layout,
        maps: &args.maps,
        undo_crlf: args.undo_crlf,
        omit_oob: args.omit_oob,
    };
    let capture = inspect(&request, interrupt)?;
    for line in &capture.taken {
        output.sentence(line);
    }
    for line in &capture.foreign {
        output.warn(line);
    }
    let lines = Lines::of(args.verbose);
    let (summary, folder) =
        folder::fill(&args.target, lines, interrupt, output, |folder, work| {
            import(&capture, folder, SystemTime::now(), work)
        })?;
    Ok(tell(&summary, &capture, &folder, output))
}

/// `DIR-imported` beside DIR.
fn beside(folder: &Path) -> Result<PathBuf, UsageError> {
    let name = match folder.extension() {
        Some(end) if end == "tar" => folder.file_stem(),
        _ => folder.file_name(),
    };
    let name = name.filter(|name| *name != "-").ok_or_else(|| {
        UsageError(format!(
            "{} has no name to make another of: say where the backup goes with --output DIR",
            folder.display()
        ))
    })?;
    let mut name = name.to_owned();
    name.push("-imported");
    Ok(folder.with_file_name(name))
}

fn tell(summary: &Summary, capture: &Capture, folder: &Folder, output: &Output) -> Exit {
    let origin = &capture.origin;
    output.sentence(&format!("layout: {}", origin.layout_from));
    for what in &origin.proven {
        output.sentence(&format!("proven: {what}"));
    }
    for what in &origin.not_proven {
        output.warn(&format!("not proven: {}", what));
    }
    for mtd in &origin.changed_while_read {
        output.warn(&format!(
            "mtd{mtd}: the flash changed while it was read; the image is the first reading"
        ));
    }
    let made = NewBackup {
        manifest: &summary.manifest,
        digest: &summary.manifest.sha256(),
        changed: summary.changed_while_read(),
        output: &folder.describe(),
        kept: None,
    };
    made.tell(&format!("imported into {}", made.output), output);
    made.tell_digest(output);
    made.document("import", output)
}
