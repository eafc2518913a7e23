use super::*;
use crate::backend::SimulatedBackend;
use crate::backup::DigestChoice;
use rustix::net::{SocketFlags, SocketType, socketpair};
use std::net::TcpStream;
use std::time::SystemTime;

struct Nobody;
impl Watcher for Nobody {}

/// A client that takes what it asked for, and its end of the line.
fn busy(content: &mut Content, now: Instant) -> (Connection, OwnedFd) {
    let (client, socket) = socketpair(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::NONBLOCK,
        None,
    )
    .unwrap();
    rustix::io::write(&client, b"GET /mtd3.bin HTTP/1.0\r\n\r\n").unwrap();
    let context = Context {
        token: None,
        watcher: &Nobody,
        waits: Cell::new(false),
    };
    let mut connection = Connection::new(socket, "client".into(), now);
    connection.step(&context, content, &Work::default(), now);
    assert_eq!(connection.need(), Need::Write);
    (connection, client)
}

/// Between the question whether somebody can go and the answer to who knocks, whoever
/// could have gone may have come on: the client outside is not let in and thrown out, it
/// waits for its place.
#[test]
fn who_comes_where_nobody_can_go_waits_for_a_place() {
    let device = SimulatedBackend::new(mtd_harness::profile::ispot(1));
    let (choice, work) = (DigestChoice::Crc32, Work::default());
    let content = Content::of_device(&device, &[], choice, SystemTime::UNIX_EPOCH, &work);
    let (mut content, now) = (content.unwrap(), Instant::now());
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), None).unwrap();
    let all = (0..CONNECTIONS_MAX).map(|_| busy(&mut content, now));
    let (mut connections, _clients): (Vec<_>, Vec<_>) = all.unzip();

    let client = TcpStream::connect(server.address).unwrap();
    server.accept(&mut connections, now);
    assert_eq!(connections.len(), CONNECTIONS_MAX);
    connections.pop();
    server.accept(&mut connections, now);
    assert_eq!(connections.len(), CONNECTIONS_MAX, "it was thrown out");
    let let_in = connections.last().unwrap();
    assert_eq!(let_in.peer, client.local_addr().unwrap().ip().to_string());
}
