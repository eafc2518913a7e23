//! What stands on the page whatever the backup is.

/// By this text `clean` knows the page as a backup's own.
pub(crate) const GENERATOR: &str = "<meta name=\"generator\" content=\"mtdkeep";

const STYLE: &str = include_str!("style.css");

/// The page's beginning, up to what is about this backup; `device` is escaped. It has
/// no letter that a shell would obey in a text without quotes.
pub(crate) fn head(page: &mut String, device: &str) {
    let pieces = [
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
        GENERATOR,
        " ",
        env!("CARGO_PKG_VERSION"),
        "\">\n<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n<title>Flash backup: ",
        device,
        "</title>\n<style>",
        STYLE,
        "</style>\n</head>\n<body>\n<header><h1>Flash backup</h1><p>",
        device,
        "</p></header>\n<main>\n",
    ];
    pieces.iter().for_each(|piece| page.push_str(piece));
}

pub(super) const SECRETS: &str = "<section class=w aria-labelledby=s><h2 id=s>These files hold \
    this device's secrets</h2>\n<p>MAC addresses, calibration, Wi-Fi keys, passwords: who has \
    the files has them.</p>\n";

pub(super) const REMOVE_FOLDER: &str = "<p>When you have proven them elsewhere, remove them \
    here: <code>mtdkeep clean</code> with the name of this page's folder.</p>\n";

pub(super) const REMOVE_NOTHING: &str = "<p>Nothing is stored on the device: all is read from \
    flash while you fetch it. Ctrl-C there ends this server.</p>\n";

pub(super) const REMOVE_SERVED: &str = "<p>When you have proven them elsewhere, end this server \
    with Ctrl-C, and remove them there with <code>mtdkeep clean</code>.</p>\n";

pub(super) const WGET: &str = "<p>All at once, into a folder of its own; ADDRESS is this \
    page's:</p><pre><code>wget -r -l1 -np -nd -P flash-backup ADDRESS</code></pre>\n\
    <p>Or each file below, all into one folder.</p>\n";

pub(super) const TAR: &str = "<p><a class=all href=\"backup.tar\" download>Everything in one file \
    (tar)</a></p>\n<p><code>mtdkeep import backup.tar</code> proves it and makes the backup of it; \
    <code>tar xf backup.tar</code> unpacks it. Or each file below, all into one folder, and those \
    that prove them last.</p>\n";

pub(super) const CHIP: &str = "<p>For a programmer: <a href=\"flash.bin\" download>flash.bin</a>, \
    the whole chip.</p>\n";

pub(super) const VERIFY: &str = "<p>In the folder with all files, <code>mtdkeep verify .</code> \
    tells whether they arrived whole, and prints the one digest to note elsewhere.</p>\n";

/// A system, and the command that checks the images there.
pub(super) const LINUX: (&str, &str) = ("Linux", "sha256sum -c SHA256SUMS");
pub(super) const MACOS: (&str, &str) = ("macOS", "shasum -a 256 -c SHA256SUMS");
pub(super) const WINDOWS: (&str, &str) = (
    "Windows, in PowerShell (which prints what is wrong), or one by one with \
     <code>certutil -hashfile mtd0.bin SHA256</code>",
    "Get-Content SHA256SUMS | ForEach-Object { $h, $f = $_ -split &#39;  &#39;; \
     if ((Get-FileHash $f).Hash -ne $h) { $f } }",
);

/// Where only the name tells.
pub(super) const OF_ONE_DEVICE: &str = "By its name, made at the factory for this one device \
    (MAC addresses, radio calibration). Irreplaceable";
