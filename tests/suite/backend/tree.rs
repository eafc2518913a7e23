//! A hand-made tree of `proc`, `sys` and `dev`, apart from the harness's.

use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A folder that is removed at the end.
pub struct Tree {
    folder: TempDir,
}

impl Tree {
    pub fn new() -> Self {
        let tree = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        for folder in ["proc", "dev"] {
            fs::create_dir(tree.root().join(folder)).unwrap();
        }
        tree
    }

    /// A tree whose `/proc/mtd` lists (name, size, erase block); no device files.
    pub fn with_table(parts: &[(&str, u64, u64)]) -> Self {
        let tree = Self::new();
        let mut text = String::from("dev:    size   erasesize  name\n");
        for (index, (name, size, erase_block)) in parts.iter().enumerate() {
            text += &format!("mtd{index}: {size:08x} {erase_block:08x} \"{name}\"\n");
        }
        tree.write("proc/mtd", text.as_bytes());
        tree
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    pub fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub fn read(&self, path: &str) -> Vec<u8> {
        fs::read(self.path(path)).unwrap()
    }
}
