//! The program, serving.

use super::client::{self, Client, TOKEN};
use crate::cli::support::program;
use std::io::{BufRead, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, ExitStatus, Stdio};
use std::thread::JoinHandle;

/// `mtdkeep serve`, which is stopped at the end.
pub(crate) struct Serving {
    pub(crate) address: SocketAddr,
    child: Child,
    /// Reads what it goes on to say, so that it never waits for a reader.
    said: Option<JoinHandle<String>>,
}

/// The first address that a server tells.
pub(crate) fn address_told(said: &mut impl BufRead) -> String {
    let mut line = String::new();
    while !line.contains("http://") {
        line.clear();
        assert_ne!(said.read_line(&mut line).unwrap(), 0, "it told no address");
    }
    line.trim().to_owned()
}

impl Serving {
    /// With options, or a backup's folder.
    pub(crate) fn start(words: &[&str]) -> Self {
        let mut child = program()
            .args(["serve", "--listen", "127.0.0.1:0", "--token", TOKEN])
            .args(words)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let address = address_told(&mut said);
        let address = address.trim_start_matches("http://");
        let address = address.split('/').next().unwrap().parse().unwrap();
        let rest = move || {
            let mut rest = String::new();
            said.read_to_string(&mut rest).unwrap();
            rest
        };
        Self {
            address,
            child,
            said: Some(std::thread::spawn(rest)),
        }
    }

    /// The simulated iSpot.
    pub(crate) fn ispot() -> Self {
        Self::start(&["--simulate"])
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address).unwrap()
    }

    /// GET on a connection of its own; a status that is not 200 is a failure.
    pub(crate) fn get(&self, name: &str) -> Vec<u8> {
        client::get(self.address, name)
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it ends by itself; with what it said after its address.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        let said = self.said.take().unwrap().join().unwrap();
        (self.child.wait().unwrap(), said)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The bytes of the simulated iSpot's mtdN.
pub(crate) fn flash(mtd: u32) -> Vec<u8> {
    mtd_harness::profile::ispot(1).partition_bytes(mtd)
}
