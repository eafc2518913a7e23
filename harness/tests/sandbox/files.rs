//! The device's folders, which are folders of the caller.

use crate::support::{bench, bench_with, text};
use mtd_harness::profile::ispot;
use mtd_harness::sandbox::{Sandbox, SandboxError};
use std::process::{Command, Stdio};

#[test]
fn a_mapped_folder_behaves_like_a_folder() {
    let bench = bench();
    bench.ok("mkdir -p /var/wwwroot/a/b && echo one > /var/wwwroot/a/b/f && cat /var/wwwroot/a/b/f > /dev/null");
    assert_eq!(std::fs::read(bench.file("a/b/f")).unwrap(), b"one\n");
    assert_eq!(
        bench.ok("cd /var/wwwroot/a && pwd && /bin/pwd && ls b && cat ../a/./b/f"),
        "/var/wwwroot/a\n/var/wwwroot/a\nf\none\n"
    );
    assert_eq!(
        bench.ok("cd / && ls /var | grep wwwroot; find /var/wwwroot -type f"),
        "wwwroot\n/var/wwwroot/a/b/f\n"
    );
    bench.ok("umask 077 && echo x > /var/wwwroot/g && test \"$(stat -c %a /var/wwwroot/g)\" = 600");
    bench.ok("cd /var/wwwroot && mv g h && ln h i && ln -s h j && test \"$(cat j)\" = x && test \"$(readlink j)\" = h");
    bench.ok("chmod 755 /var/wwwroot/h && touch -d @0 /var/wwwroot/h && test \"$(stat -c '%a %Y' /var/wwwroot/i)\" = '755 0'");
    bench
        .ok("mv /var/wwwroot/h /tmp/h.$$ && mv /tmp/h.$$ /var/wwwroot/k && test -f /var/wwwroot/k");
    bench.ok("truncate -s 5 /var/wwwroot/k && test \"$(stat -c %s /var/wwwroot/k)\" = 5");
    bench.ok("df /var/wwwroot > /dev/null && cp -a /var/wwwroot/a /var/wwwroot/c && diff -r /var/wwwroot/a /var/wwwroot/c");
    bench.ok("rm -rf /var/wwwroot/a /var/wwwroot/? && test -z \"$(ls /var/wwwroot)\"");
    assert!(
        bench
            .fails("cat /var/wwwroot/none")
            .contains("No such file")
    );
    assert!(bench.fails("cd /var/wwwroot/none").contains("can't cd"));
}

#[test]
fn scripts_in_a_mapped_folder_run() {
    let bench = bench();
    bench
        .ok("printf '#!/bin/sh\\necho ran in $PWD\\n' > /var/wwwroot/s && chmod +x /var/wwwroot/s");
    assert_eq!(bench.ok("cd /var/wwwroot && ./s"), "ran in /var/wwwroot\n");
    assert!(bench.ok("cd / && /var/wwwroot/s").starts_with("ran in"));
}

#[test]
fn a_process_that_writes_flash_can_change_into_a_mapped_folder() {
    let bench = bench();
    bench.ok(
        "echo x > /dev/mtd8 && cd /var/wwwroot && echo y > f && cd .. && ls wwwroot/f > /dev/null",
    );
    assert_eq!(std::fs::read(bench.file("f")).unwrap(), b"y\n");
}

#[test]
fn the_web_root_is_temporary_unless_it_is_mapped() {
    let sandbox = Sandbox::builder(ispot::ispot(1)).build().unwrap();
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "cd /var/wwwroot && echo x > f && ls && readlink /proc/self/cwd",
    ]);
    let outcome = sandbox.run(command.stdout(Stdio::piped())).unwrap();
    assert_eq!(text(&outcome.stdout), "f\n/var/wwwroot\n");
}

#[test]
fn other_folders_can_be_mapped() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("f"), "there").unwrap();
    let path = outside.path().to_owned();
    let bench = bench_with(|builder| builder.map("/mnt/none/such/", path));
    assert_eq!(
        bench.ok("cat /mnt/none/such/f && ls /mnt/none"),
        "theresuch\n"
    );
}

#[test]
fn a_folder_that_is_none_cannot_be_mapped() {
    for path in ["/no/such/folder", "/etc/hostname"] {
        let error = Sandbox::builder(ispot::ispot(1))
            .map("/x", path)
            .build()
            .err();
        assert!(
            matches!(error, Some(SandboxError::Map { .. })),
            "{path}: {error:?}"
        );
    }
}

#[test]
fn a_fifo_in_a_mapped_folder_holds_up_nobody() {
    let bench = bench();
    // The reader waits first; then the writer; then a signal ends a wait.
    let told = bench.ok(
        "mkfifo p; (cat p > got) & sleep 0.1; ls p; echo one > p; wait; cat got; \
         (echo two > p) & sleep 0.1; cat /var/wwwroot/p; wait; \
         timeout -s INT 0.2 cat p; echo $?",
    );
    assert_eq!(told, "p\none\ntwo\n124\n");
}

/// A script whose interpreter is in a mapped folder, or that is there itself.
#[test]
fn interpreters_in_mapped_folders_are_found() {
    let bench = bench();
    bench.ok("cd /var/wwwroot && cp /bin/sh interp && printf '#!/var/wwwroot/interp -u\\necho $0 $-, $1 $2\\n' > s && chmod +x s");
    for (line, name) in [
        ("cd /var/wwwroot && ./s one two", "./s"),
        ("cd / && /var/wwwroot/s one two", "/var/wwwroot/s"),
        (
            "cd / && env PATH=/var/wwwroot:$PATH s one two",
            "/var/wwwroot/s",
        ),
    ] {
        let told = bench.ok(line);
        assert!(
            told.starts_with(name) && told.contains('u') && told.ends_with(", one two\n"),
            "{line}: {told}"
        );
    }
    // One script interprets another; the host's script, ours.
    bench.ok("cd /var/wwwroot && printf '#!/var/wwwroot/s inner\\n' > t && chmod +x t");
    assert!(
        bench
            .ok("/var/wwwroot/t x")
            .ends_with(", inner /var/wwwroot/t\n")
    );
    let script = tempfile::tempdir().unwrap();
    let path = script.path().join("outside");
    std::fs::write(&path, "#!/var/wwwroot/interp\necho outside\n").unwrap();
    bench.ok(&format!("chmod +x {}", path.display()));
    assert_eq!(bench.ok(&path.display().to_string()), "outside\n");
    // What may not be executed is not.
    assert!(
        bench
            .fails("chmod -x /var/wwwroot/s && /var/wwwroot/s")
            .contains("ermission denied")
    );
}

/// How the kernel starts scripts (fs/binfmt_script.c, fs/exec.c), in a folder and in one
/// that is mapped to the same path: each line tells the same.
#[test]
fn scripts_start_as_the_kernel_starts_them() {
    let (outside, inside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let seen = outside.path().display().to_string();
    let scripts = [
        ("plain", format!("#!{seen}/echo\n")),
        ("spaces", format!("#! \t{seen}/echo  -n a  b \t\nx")),
        ("unended", format!("#!{seen}/echo -n")),
        ("long", format!("#!{seen}/echo {}\n", "y".repeat(300))),
        ("cut", format!("#!{seen}/{}\n", "z".repeat(300))),
        ("zero", format!("#!{seen}/echo\0x\n")),
        ("zero2", format!("#!{seen}/echo a\0x")),
        ("empty", "#! \t\n".to_owned()),
        ("nothing", "#!".to_owned()),
        ("missing", format!("#!{seen}/none\n")),
        ("folder", format!("#!{seen}\n")),
        ("one", format!("#!{seen}/plain 1\n")),
        ("two", format!("#!{seen}/one 2\n")),
        ("three", format!("#!{seen}/two 3\n")),
        ("four", format!("#!{seen}/three 4\n")),
        ("five", format!("#!{seen}/four 5\n")),
        ("six", format!("#!{seen}/five 6\n")),
    ];
    let made = tempfile::tempdir().unwrap();
    std::fs::copy("/bin/echo", made.path().join("echo")).unwrap();
    for (name, text) in &scripts {
        let path = made.path().join(name);
        std::fs::write(&path, text).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&path, mode).unwrap();
    }
    // Not by this process: what another test is just starting would have them open for
    // writing for a moment, and they would be busy.
    for folder in [outside.path(), inside.path()] {
        let mut copy = Command::new("cp");
        let copied = copy.arg("-a").arg(made.path().join(".")).arg(folder);
        assert!(copied.status().unwrap().success());
    }
    let names = scripts.map(|(name, _)| name).join(" ");
    // env tells the error, where a shell would run the file itself.
    let line = format!(
        "cd /; for name in {names}; do env {seen}/$name x 'y z'; echo $name $?; done 2>&1; \
         cd {seen}; env ./three x; exec 9< one; env /proc/self/fd/9 x; env /dev/fd/9 x"
    );
    let mut plain = Command::new("sh");
    let expected = plain.args(["-c", &line]).env("LC_ALL", "C").output();
    let expected = text(&expected.unwrap().stdout);
    assert!(expected.contains("\nfive 126"), "{expected}");
    let bench = bench_with(|builder| builder.map(&seen, inside.path()));
    assert_eq!(text(&bench.sh(&line).stdout), expected);
}
