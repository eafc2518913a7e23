//! The kernel of all boards: a stock Linux 6.1, configured by
//! `guest/kernel.config`, built once and kept in the cache.
//!
//! Invariant: a kernel in the cache was built from exactly the inputs that
//! [`Inputs::text`] names, and has every option of the configuration.

use super::cache::Cache;
use super::error::{Error, Missing};
use super::programs::{first_line, on_path, step, variable};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const CONFIG: &str = include_str!("../guest/kernel.config");
const DEBIAN_SOURCE: &str = "/usr/src/linux-source-6.1.tar.xz";
/// Counts changes of the steps below that the other inputs do not show.
const RECIPE: u32 = 1;

/// What a kernel is built from.
pub struct Inputs {
    source: PathBuf,
    source_version: String,
    prefix: String,
    compiler: String,
}

impl Inputs {
    /// Finds source and tools.
    ///
    /// # Errors
    /// All that is missing.
    pub fn find() -> Result<Self, Vec<Missing>> {
        let mut missing = Vec::new();
        let prefix = std::env::var("MTDKEEP_CROSS_COMPILE")
            .ok()
            .filter(|prefix| !prefix.is_empty())
            .unwrap_or_else(|| "arm-linux-gnueabi-".into());
        let gcc = format!("{prefix}gcc");
        let source = variable("MTDKEEP_LINUX_SOURCE").unwrap_or_else(|| DEBIAN_SOURCE.into());
        let source_version = source_version(&source);
        if source_version.is_none() {
            missing.push(Missing {
                what: format!("the source of Linux 6.1 ({})", source.display()),
                remedy:
                    "apt-get install linux-source-6.1, or set MTDKEEP_LINUX_SOURCE to a tar of it"
                        .into(),
            });
        }
        let compiler = first_line(Command::new(&gcc).arg("--version"));
        if compiler.is_none() {
            missing.push(Missing {
                what: gcc,
                remedy: "apt-get install gcc-arm-linux-gnueabi, or set MTDKEEP_CROSS_COMPILE to a compiler's prefix"
                    .into(),
            });
        }
        for (program, package) in [
            ("gcc", "gcc libc6-dev"),
            ("make", "make"),
            ("flex", "flex"),
            ("bison", "bison"),
            ("bc", "bc"),
            ("tar", "tar"),
            ("xz", "xz-utils"),
        ] {
            if !on_path(program.as_ref()) {
                missing.push(Missing {
                    what: program.into(),
                    remedy: format!("apt-get install {package}"),
                });
            }
        }
        match (source_version, compiler) {
            (Some(source_version), Some(compiler)) if missing.is_empty() => Ok(Self {
                source,
                source_version,
                prefix,
                compiler,
            }),
            _ => Err(missing),
        }
    }

    /// All inputs as text.
    pub fn text(&self) -> String {
        format!(
            "recipe {RECIPE}\nsource {}\ncompiler {}\n{CONFIG}",
            self.source_version, self.compiler
        )
    }

    /// The zImage: from the cache, or built now.
    ///
    /// # Errors
    /// [`Error::Build`] and those of the file system.
    pub fn obtain(&self, cache: &Cache, report: &mut dyn FnMut(&str)) -> Result<PathBuf, Error> {
        let folder = cache.obtain("kernel", &self.text(), |folder| {
            report("building the guest's kernel, once (about 80 seconds on two cores)");
            self.build(folder)
        })?;
        Ok(folder.join("zImage"))
    }

    fn build(&self, folder: &Path) -> Result<(), Error> {
        let work = folder.join("work");
        let (source, output) = (work.join("source"), work.join("output"));
        for path in [&source, &output] {
            fs::create_dir_all(path).map_err(Error::io("make the folder", path))?;
        }
        let config = work.join("fragment");
        fs::write(&config, CONFIG).map_err(Error::io("write", &config))?;
        step(
            "unpacking the source of Linux",
            Command::new("tar")
                .args(["--extract", "--strip-components=1", "--file"])
                .arg(&self.source)
                .arg("--directory")
                .arg(&source),
        )?;
        let jobs = std::thread::available_parallelism().map_or(1, usize::from);
        for target in ["allnoconfig", "zImage"] {
            step(
                &format!("make {target} of Linux"),
                Command::new("make")
                    .current_dir(&source)
                    // An outer make or cargo must not meddle.
                    .env_remove("MAKEFLAGS")
                    .env_remove("MFLAGS")
                    .env_remove("CARGO_MAKEFLAGS")
                    .env("KCONFIG_ALLCONFIG", &config)
                    // Neither user, host nor clock goes into the kernel.
                    .env("KBUILD_BUILD_USER", "mtdkeep")
                    .env("KBUILD_BUILD_HOST", "virtual-ispot")
                    .env("KBUILD_BUILD_TIMESTAMP", "Fri Jan  1 00:00:00 UTC 2010")
                    .arg(format!("O={}", output.display()))
                    .arg("ARCH=arm")
                    .arg(format!("CROSS_COMPILE={}", self.prefix))
                    .arg(format!("-j{jobs}"))
                    .arg(target),
            )?;
            if target == "allnoconfig" {
                check_config(&output.join(".config"))?;
            }
        }
        let (built, kept) = (output.join("arch/arm/boot/zImage"), folder.join("zImage"));
        fs::copy(&built, &kept).map_err(Error::io("copy", &built))?;
        fs::remove_dir_all(&work).map_err(Error::io("remove", &work))
    }
}

/// An option that Kconfig drops, because something it needs is off or because
/// it has another name now, is dropped without a word: so look.
fn check_config(path: &Path) -> Result<(), Error> {
    let made = fs::read_to_string(path).map_err(Error::io("read", path))?;
    let dropped = dropped_options(CONFIG, &made);
    if dropped.is_empty() {
        return Ok(());
    }
    Err(Error::Build {
        step: "configuring Linux".into(),
        status: "options without effect".into(),
        tail: dropped.join("\n"),
    })
}

fn dropped_options<'a>(wanted: &'a str, made: &str) -> Vec<&'a str> {
    wanted
        .lines()
        .filter(|line| line.starts_with("CONFIG_"))
        .filter(|line| !made.lines().any(|other| other == *line))
        .collect()
}

/// A Debian package's version, else size and name of the file.
fn source_version(path: &Path) -> Option<String> {
    let size_bytes = fs::metadata(path).ok().filter(fs::Metadata::is_file)?.len();
    let of_package = (path == Path::new(DEBIAN_SOURCE))
        .then(|| {
            first_line(Command::new("dpkg-query").args([
                "--show",
                "--showformat=${Package} ${Version}",
                "linux-source-6.1",
            ]))
        })
        .flatten();
    Some(of_package.unwrap_or_else(|| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        format!("{name}, {size_bytes} bytes")
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_a_dropped_option() {
        let wanted = "# a comment\nCONFIG_A=y\nCONFIG_B=y\n";
        assert_eq!(dropped_options(wanted, "CONFIG_A=y\n"), ["CONFIG_B=y"]);
        assert!(dropped_options(wanted, "CONFIG_B=y\nCONFIG_A=y\n").is_empty());
    }

    #[test]
    fn the_configuration_asks_for_the_redboot_parser() {
        assert!(
            CONFIG
                .lines()
                .any(|line| line == "CONFIG_MTD_REDBOOT_PARTS=y")
        );
    }
}
