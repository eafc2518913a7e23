//! Names of nodes and of what is mapped: rename, link, `..`, mount points, and
//! what a node is called by its descriptor.

use crate::support::{bench, bench_with};
use rstest::rstest;

#[rstest]
#[case::a_folder_takes_its_nodes_along(
    "mkdir d && mknod d/n c 90 2 && mv d e && ls e && cmp e/n /dev/mtd1 && rm -r e && ls",
    "n\n"
)]
#[case::removed_with_its_folder(
    "mkdir -p g/h && mknod g/h/n c 90 2 && rm -rf g && ls && test ! -e g/h/n",
    ""
)]
#[case::no_clobber(
    "mknod a c 90 2 && mknod b c 90 4 && mv -n a b; stat -c %T a b",
    "2\n4\n"
)]
#[case::over_another(
    "mknod a c 90 2 && mknod b c 90 4 && mv -f a b && ls && stat -c %T b",
    "b\n2\n"
)]
#[case::file_over_node("echo x > f && mknod b c 90 4 && mv -f f b && ls && cat b", "b\nx\n")]
#[case::node_over_file(
    "mknod m c 90 4 && echo > f && mv -f m f && ls && stat -c %T f",
    "f\n4\n"
)]
#[case::hard_links(
    "mknod a c 90 4 && ln a b && chmod 640 b && stat -c '%h %a' a b && test a -ef b && rm a && stat -c %h b",
    "2 640\n2 640\n1\n"
)]
#[case::inode_numbers(
    "mknod a c 90 4 && test \"$(ls -i a)\" = \"$(stat -c '%i a' a)\" && test \"$(ls -i | grep ' a$')\" = \"$(stat -c '%i a' a)\" && echo same",
    "same\n"
)]
#[case::times(
    "mknod a c 90 4 && touch -d @1000000000 a && stat -c '%X %Y' a && touch -a -d @5 a && stat -c '%X %Y' a && test a -nt /dev/null || echo older",
    "1000000000 1000000000\n5 1000000000\nolder\n"
)]
#[case::new_ones_are_new(
    "touch f && mknod a c 90 4 && test $(stat -c %Y a) -ge $(stat -c %Y f) && test a -nt /dev/mtd0 && echo new",
    "new\n"
)]
#[case::set_id_bits("mknod a c 90 4 && chmod 6755 a && chown 5 a && stat -c %a a", "755\n")]
#[case::another_file_system("! ln /dev/mtd3 l 2>/dev/null && echo refused", "refused\n")]
#[case::copied_by_another_name(
    "mknod z c 90 2 && cp z out && cmp out /dev/mtd1 && test \"$(stat -L -c %i /dev/fd/3 3<z)\" = \"$(stat -c %i z)\" && ls",
    "out\nz\n"
)]
#[case::a_removed_ones_descriptor(
    "mknod z c 90 2 && exec 3<z && rm z && stat -L -c '%h %T' /dev/fd/3",
    "0 2\n"
)]
#[case::folders_by_their_dots(
    "mkdir -p d/e && { rmdir d/e/.; rmdir d/e/..; mv -T d/. y; mv -T d/e/.. y; mkdir d/e/.; } 2>&1 | sed 's/.*: //'; ls; ls d; rm -r d",
    "Invalid argument\nDirectory not empty\nDevice or resource busy\nDevice or resource busy\nFile exists\nd\ne\n"
)]
#[case::a_removed_working_folder(
    "mkdir g && cd g && rmdir ../g && ls -a && test -d . && ! touch x 2>/dev/null && test ../../wwwroot -ef /var/wwwroot && test -c ../../../dev/mtd0 && echo well",
    "well\n"
)]
#[case::no_folder_above_a_node(
    "ls /proc/self/fd/3/.. 3</dev/mtd0 2>&1 | sed 's/.*: //'",
    "Not a directory\n"
)]
fn names_behave_as_names_do(#[case] line: &str, #[case] printed: &str) {
    let bench = bench();
    assert_eq!(
        bench.ok(&format!("cd /var/wwwroot && {{ {line}; }}")),
        printed
    );
    // None of the nodes was ever on the host.
    assert_eq!(
        bench
            .folder
            .path()
            .read_dir()
            .unwrap()
            .filter(|entry| {
                let kind = entry.as_ref().unwrap().file_type().unwrap();
                !kind.is_file()
            })
            .count(),
        0
    );
}

/// renameat2 with flags, by perl's syscall(): 316 on x86-64.
#[rstest]
#[case::exchange_nodes("a", "b", 2, "0", "4 2")]
#[case::keep("a", "b", 1, "17", "2 4")]
#[case::exchange_with_a_file("a", "f", 2, "0", "- 4")]
#[case::exchange_with_nothing("a", "none", 2, "2", "2 4")]
#[case::nonsense("a", "b", 3, "22", "2 4")]
#[cfg(target_arch = "x86_64")]
#[ignore = "needs perl"]
fn renames_with_flags(
    #[case] old: &str,
    #[case] new: &str,
    #[case] flags: u32,
    #[case] errno: &str,
    #[case] minors: &str,
) {
    let bench = bench();
    let told = bench.ok(&format!(
        "cd /var/wwwroot && mknod a c 90 2 && mknod b c 90 4 && echo x > f && \
         perl -e '$o = \"{old}\"; $n = \"{new}\"; print syscall(316, -100, $o, -100, $n, {flags}) == 0 ? 0 : 0 + $!, \"\\n\"' && \
         echo $(for f in a b; do test -c $f && stat -c %T $f || echo -; done)"
    ));
    assert_eq!(told, format!("{errno}\n{minors}\n"));
}

#[rstest]
#[case("rm -rf /var/wwwroot")]
#[case("rmdir /var/wwwroot")]
#[case("mv /var/wwwroot /tmp/mtdkeep-moved")]
#[case(
    "mkdir /tmp/mtdkeep-moved.$$ && trap 'rmdir /tmp/mtdkeep-moved.$$' EXIT && mv -T /tmp/mtdkeep-moved.$$ /var/wwwroot"
)]
fn a_mapped_folder_is_a_mount_point(#[case] line: &str) {
    let bench = bench();
    let said = bench.fails(line);
    assert!(said.contains("resource busy"), "{line}: {said}");
    assert!(bench.folder.path().is_dir());
    assert!(!std::path::Path::new("/tmp/mtdkeep-moved").exists());
}

#[test]
fn the_folder_above_a_mapped_one_is_found() {
    let outside = tempfile::tempdir().unwrap();
    let path = outside.path().to_owned();
    let bench = bench_with(|builder| builder.map("/mnt/none/such", path));
    bench.ok("ls -la /var/wwwroot /mnt/none/such /mnt/none /sys/class/mtd > /dev/null");
    assert_eq!(
        bench.ok("stat -c %F /var/wwwroot/.. /mnt/none/such/../.."),
        "directory\ndirectory\n"
    );
    assert_eq!(bench.ok("cd /var/wwwroot/.. && /bin/pwd"), "/var\n");
    assert!(
        bench
            .fails("cat /var/wwwroot/none/../x")
            .contains("No such file")
    );
    bench.ok("echo x > /var/wwwroot/x");
    assert!(
        bench
            .fails("cat /var/wwwroot/x/../x")
            .contains("Not a directory")
    );
}

#[test]
fn dangling_and_circular_links_in_mapped_folders() {
    let bench = bench();
    bench.ok("cd /var/wwwroot && ln -s nowhere l && ls -l l >/dev/null && cp -a l m && readlink m");
    bench.ok("cd /var/wwwroot && echo x > l && cat nowhere >/dev/null");
    bench.ok("cd /var/wwwroot && ln -s b a && ln -s a b");
    assert!(
        bench
            .fails("cat /var/wwwroot/a")
            .contains("Too many levels")
    );
}

/// A name alone, looked up where the program stands or below a folder that it opened, is
/// ours where something of ours has it, and the host's elsewhere.
#[test]
fn single_names_are_ours_where_we_have_them() {
    let bench = bench();
    let told = bench.ok(
        "find /dev -maxdepth 1 -name 'mtd[0-9]' -type c | wc -l
         cd /dev && stat -c %F mtd3 mtdblock3 && mv mtd7 other && find . -maxdepth 1 -name other -type c
         mkdir folder && ln -s mtd3 link && stat -c %F folder link && rm other && ! stat other 2>/dev/null
         cd /var && stat -c %F wwwroot && cd wwwroot && mknod flash c 90 6 && echo x > plain
         find . -type c -o -type f | sort && mv flash moved && find . -type c && mkdir mtd3 && stat -c %F mtd3
         cd /proc && stat -c %F mtd && cd /sys/class && find mtd/mtd3/ -name name",
    );
    let expected = "10\ncharacter special file\nblock special file\n./other\ndirectory\nsymbolic link\n\
                    directory\n./flash\n./plain\n./moved\ndirectory\nregular file\n\
                    mtd/mtd3/name\n";
    let told: Vec<_> = told
        .lines()
        .filter(|line| !line.contains("empty"))
        .collect();
    let expected: Vec<_> = expected
        .lines()
        .filter(|line| *line != "regular file")
        .collect();
    assert_eq!(told, expected);
}
