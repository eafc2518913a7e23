use super::*;
use crate::backup::Folder;
use std::net::TcpListener;
use std::sync::atomic::AtomicU64;

struct Nobody;

impl Watcher for Nobody {
    fn tell(&self, _: &str) {}
}

/// A stranger that sends a byte of its head each second, for ever: each byte keeps the
/// connection from being silent, and none keeps its place beyond the head's time. The
/// clock is the test's, and each look at it is a second and another byte.
#[test]
fn a_head_that_drips_is_given_up() {
    let outer = tempfile::tempdir().unwrap();
    let folder = Folder::open_or_create(&outer.path().join("b")).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stranger = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, peer) = listener.accept().unwrap();
    stream
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let seconds = AtomicU64::new(0);
    let clock = || {
        let _ = (&stranger).write_all(b"x");
        Duration::from_secs(seconds.fetch_add(1, Ordering::Relaxed))
    };
    let handler = Handler {
        store: Mutex::new(Store::new(&folder, 1)),
        token: "token",
        script: &|_, _| String::new(),
        watcher: &Nobody,
        silence: Duration::from_secs(60),
        clock: &clock,
        ended: AtomicBool::new(false),
        connections: AtomicUsize::new(1),
    };
    // Not one that is refused because it became too long.
    assert!(handler.attend(&stream, peer.ip()).is_err());
    let looks = seconds.load(Ordering::Relaxed);
    assert!((10..16).contains(&looks), "{looks} looks");
}
